import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { UprezError } from '../errors.js'
import type { Job } from '../infer/engine.js'

/** Where the uploads and results of jobs lie: a folder of this process alone, and in it one of each job. */
export interface JobsFolder {
  inputOf(id: string): string
  outputOf(id: string): string
  /** Makes a job's folder. */
  make(id: string): Promise<void>
  /** Puts the job's picture there; moves it, where it is a file. */
  store(id: string, input: Job['input']): Promise<void>
  dropInput(id: string): Promise<void>
  /** Removes a job's folder; an engine that is still at it cannot write there any more. */
  drop(id: string): Promise<void>
  /** Removes everything. */
  close(): Promise<void>
}

/**
 * Makes a folder that only this user may read (mode 0700), removed when the process exits, whatever way it does but by SIGKILL or a
 * crash; what processes of this machine left behind that way is swept up first.
 * @param base UPREZ_JOBS_DIR; made where it is missing
 * @throws UprezError `not-writable`
 */
export async function openJobsFolder(base = tmpdir()): Promise<JobsFolder> {
  const prefix = `uprez-jobs-${hostname().replace(/[^\w.-]/g, '')}-`
  const root = await mkdir(base, { recursive: true, mode: 0o700 })
    .then(() => sweep(base, prefix))
    .then(() => mkdtemp(join(base, `${prefix}${process.pid}-`)))
    .catch((cause: NodeJS.ErrnoException) => {
      throw new UprezError('not-writable', `UPREZ_JOBS_DIR: a folder cannot be made in ${base}: ${cause.code ?? cause.message}`, {
        param: 'UPREZ_JOBS_DIR',
        expected: 'a writable folder',
        got: base,
        cause,
      })
    })
  const removeNow = () => rmSync(root, { recursive: true, force: true })
  process.once('exit', removeNow)

  const folderOf = (id: string) => join(root, id)
  const inputOf = (id: string) => join(root, id, 'input')
  return {
    inputOf,
    outputOf: id => join(root, id, 'result'),
    // The system's cleaner of temporary files may have taken all of it.
    make: async id => void (await mkdir(folderOf(id), { recursive: true, mode: 0o700 })),
    store: (id, input) => ('path' in input ? rename(input.path, inputOf(id)) : writeFile(inputOf(id), input.bytes, { mode: 0o600 })),
    dropInput: id => rm(inputOf(id), { force: true }),
    drop: id => remove(folderOf(id)),
    async close() {
      process.off('exit', removeNow)
      await remove(root)
    },
  }
}

/** What is told of an error with these files: nothing of their names. */
export function storageError(error: unknown): UprezError {
  const { code } = error as { code?: string }
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull()
  if (error instanceof UprezError && code !== 'not-writable' && code !== 'no-input') return unnamed(error)
  return new UprezError('internal', 'The files of a job cannot be used', { cause: error })
}

/** An engine's error as a client may read it: where there is no space is no business of his. */
export const unnamed = <E>(error: E): E | UprezError => (error instanceof UprezError && error.code === 'no-space' ? diskFull() : error)

const diskFull = (): UprezError =>
  new UprezError('no-space', 'The disk of the server is full; try again later', { expected: 'room for the result' })

/** An engine may write while this removes, so it tries again. */
const remove = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true, maxRetries: 5 })

/** Folders of processes that are no more. */
async function sweep(base: string, prefix: string): Promise<void> {
  for (const name of await readdir(base)) {
    const pid = name.startsWith(prefix) ? /^(\d+)-\w{6}$/.exec(name.slice(prefix.length))?.[1] : undefined
    if (pid !== undefined && (await isLeft(join(base, name), Number(pid)))) await remove(join(base, name)).catch(() => {})
  }
}

async function isLeft(folder: string, pid: number): Promise<boolean> {
  // In a container every process has the same number.
  if (pid === process.pid) return ((await stat(folder).catch(() => undefined))?.birthtimeMs ?? Infinity) < performance.timeOrigin
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
