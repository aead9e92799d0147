import { spawnSync } from 'node:child_process'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Tally } from './tally.js'

const BYTES = 500_000

export interface SmallDisk {
  /** By which a server finds it. */
  environment: Record<string, string>
  /** Takes it away; nothing may be left there. */
  end(): Promise<void>
}

/** A disk that a few results fill: a file system of its own where this user may mount one, else a limit on what the server keeps. */
export async function mountDisk(folder: string, tally: Tally): Promise<SmallDisk> {
  const path = join(folder, 'disk')
  await mkdir(path)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${BYTES}`, 'tmpfs', path]).status === 0
  const unmount = () => void spawnSync('umount', ['-l', path])
  if (mounted) process.once('exit', unmount)
  tally.fact(mounted ? `jobs on a file system of ${BYTES} bytes` : `no file system can be mounted here: UPREZ_JOBS_MAX_BYTES=${BYTES}`)
  return {
    environment: { UPREZ_JOBS_DIR: path, ...(mounted ? {} : { UPREZ_JOBS_MAX_BYTES: String(BYTES) }) },
    async end() {
      for (const name of await readdir(path)) tally.broke(`left where jobs lie: ${name}`)
      if (mounted) unmount()
    },
  }
}
