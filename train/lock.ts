import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { writeError } from '../atomic.js'
import { UprezError } from '../errors.js'

/** Who trains in a run folder. */
interface Holder {
  pid: number
  host: string
  /** Start of the process in clock ticks since the machine's, where the system tells: a number is given to many processes in turn. */
  started: string | null
}

/** Milliseconds in which a lock that was just made gets its text. */
const WRITING = 10_000

/**
 * Takes a run folder for this process, so that no two write into it. The lock of a process that is gone is taken over.
 * @returns gives it back
 * @throws UprezError `output-exists` while another process trains there
 */
export async function lockRun(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, '.lock')
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), started: await startOf(process.pid) } satisfies Holder)
  try {
    while (!(await succeeds(writeFile(path, mine, { flag: 'wx' }), 'EEXIST'))) await takeOver(folder, path)
  } catch (error) {
    throw writeError(error, folder)
  }
  return () => rm(path, { force: true })
}

/** Clears a lock whose holder is gone. */
async function takeOver(folder: string, path: string): Promise<void> {
  const found = await readFile(path, 'utf8').catch(() => undefined)
  if (found === undefined) return
  const holder = parse(found)
  if (holder ? await isAlive(holder) : Date.now() - (await stat(path)).mtimeMs < WRITING) {
    const who = holder ? `process ${holder.pid}${holder.host === hostname() ? '' : ` on ${holder.host}`}` : 'another process'
    throw new UprezError('output-exists', `${who} is training in ${folder}; if it is not, remove ${path}`, {
      param: '-o',
      expected: 'a run folder that no other process trains in',
      got: folder,
    })
  }
  const aside = `${path}-stale-${process.pid}`
  if (!(await succeeds(rename(path, aside), 'ENOENT'))) return
  // Where somebody else was quicker, this is the new lock, and goes back.
  const taken = await readFile(aside, 'utf8')
  if (taken !== found) await succeeds(writeFile(path, taken, { flag: 'wx' }), 'EEXIST')
  await rm(aside, { force: true })
}

/** On another machine, as far as we can tell. */
async function isAlive({ pid, host, started }: Holder): Promise<boolean> {
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return started === (await startOf(pid))
}

/** Linux tells it as field 22 of /proc/PID/stat (proc_pid_stat(5)); field 2, a name in brackets, may hold spaces; field 3 is Z for what is dead but not buried. */
async function startOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (fields[0] !== 'Z' && fields[19]) || null
}

function parse(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder
  } catch {
    return undefined
  }
}

/** Whether it succeeded; false where it failed for the reason named. */
async function succeeds(work: Promise<unknown>, otherwise: 'EEXIST' | 'ENOENT'): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === otherwise) return false
    throw error
  }
}
