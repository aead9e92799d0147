import { readFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Removes what killed runs left half-written in these folders. The process that writes a file stands in its name; a living one's stay. */
export async function sweepTemporaries(folders: Iterable<string>): Promise<void> {
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => [])
    for (const name of names) {
      const writer = /^\..*\.(\d+)-\d+\.uprez-tmp$/.exec(name)?.[1]
      if (writer !== undefined && !isAlive(Number(writer))) await rm(join(folder, name), { force: true }).catch(() => {})
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !isZombie(pid)
  } catch (error) {
    // Somebody else's process is alive as well.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Dead, but nobody has asked how it ended; in a container whose first process never asks it stays so. */
function isZombie(pid: number): boolean {
  if (process.platform !== 'linux') return false
  try {
    return /.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
