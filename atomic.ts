import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { access, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { UprezError } from './errors.js'

/**
 * Writes a file so that at no moment anything half-written stands at its name: a temporary file in the
 * same folder, flushed to the disk, then renamed over the name.
 * @param mark makes the temporary name unlike that of any other writer; `temporaryPath` gives it to who has to sweep up
 * @throws UprezError `not-writable`, `no-space`
 */
export function writeAtomic(path: string, bytes: Uint8Array | string, mark = String(process.pid)): Promise<void> {
  return fillAtomic(path, temporary => writeFile(temporary, bytes), mark)
}

/**
 * The same for a file that somebody else writes.
 * @param fill makes the file of the name it gets; what it throws with the `code` of a system error is told as one of ours
 * @throws UprezError `not-writable`, `no-space`, and what else `fill` throws
 */
export async function fillAtomic(path: string, fill: (temporary: string) => Promise<void>, mark: string): Promise<void> {
  const temporary = temporaryPath(path, mark)
  try {
    await fill(temporary)
    await syncFile(temporary)
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw writeError(cause, path)
  }
}

/**
 * Fills a temporary folder beside `dir`, flushes it to the disk and renames it into place, so that nobody ever sees half of it.
 * Whatever stood at `dir` is replaced.
 * @throws UprezError `not-writable`
 */
export async function replaceFolder(dir: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const place = resolve(dir)
  const mark = randomUUID().slice(0, 8)
  const beside = (what: string) => join(dirname(place), besideName(place, what, mark))
  const temporary = beside('new')
  const old = beside('old')
  await mkdir(temporary, { recursive: true }).catch(cause => {
    throw new UprezError('not-writable', `${place}: cannot be written: ${cause.message}`, {
      param: 'output',
      expected: 'a writable folder',
      got: cause.code,
      cause,
    })
  })
  try {
    await fill(temporary)
    await syncAll(temporary)
    await rename(place, old).catch(ignoreMissing)
    await rename(temporary, place).catch(async error => {
      await rename(old, place).catch(ignoreMissing)
      throw error
    })
    try {
      await syncFolder(dirname(place))
    } finally {
      await rm(old, { recursive: true, force: true })
    }
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

/**
 * Clears up after a `replaceFolder(dir)` that was killed: a folder that had been moved away and has no successor is put back, all
 * else that it left goes. Nobody may be replacing the folder meanwhile.
 */
export async function settleFolder(dir: string): Promise<void> {
  const place = resolve(dir)
  const parent = dirname(place)
  const names = await readdir(parent)
  const left = (what: string) => names.filter(name => name.startsWith(besideName(place, what, ''))).map(name => join(parent, name))
  const [old] = left('old')
  if (old !== undefined && !names.includes(basename(place))) await rename(old, place)
  for (const path of [...left('old'), ...left('new')]) await rm(path, { recursive: true, force: true })
}

/**
 * Makes sure before any work that a file can be made in the folder of `path`.
 * @throws UprezError `not-writable`
 */
export async function checkWritable(path: string): Promise<void> {
  await access(dirname(path), constants.W_OK | constants.X_OK).catch(cause => {
    throw writeError(cause, path)
  })
}

/** Where `writeAtomic` writes before it renames. Dotted, so that no folder walk takes it for a picture. */
export function temporaryPath(path: string, mark: string): string {
  // A name may have 255 bytes: the tail of a long one is dropped, the mark keeps it apart from others.
  return join(dirname(path), `.${basename(path).slice(0, 40)}.${mark}.uprez-tmp`)
}

function besideName(place: string, what: string, mark: string): string {
  return `.${basename(place)}.${what}-${mark}`
}

/** Everything inside the folder, and the folder. Files at once: a disk writes down many that wait together ten times as fast. */
async function syncAll(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true })
  await Promise.all(entries.filter(entry => entry.isFile()).map(({ name }) => syncFile(join(folder, name))))
  for (const { name } of entries.filter(entry => entry.isDirectory())) await syncAll(join(folder, name))
  await syncFolder(folder)
}

/** Without this a power cut could leave an empty file at the name. Windows flushes only what is open for writing. */
async function syncFile(path: string): Promise<void> {
  await sync(path, process.platform === 'win32' ? 'r+' : 'r')
}

/** Without this a power cut could undo the rename. Windows cannot open a folder, and needs no such thing. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform !== 'win32') await sync(folder, 'r')
}

async function sync(path: string, flags: 'r' | 'r+'): Promise<void> {
  const handle = await open(path, flags)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const REASONS: Record<string, string> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'read-only file system',
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'a folder has this name',
}

/** The error of a failed write as one for the user: `no-space` or `not-writable`; what no file system says goes through. */
export function writeError(cause: unknown, path: string): unknown {
  const code = (cause as NodeJS.ErrnoException).code
  if (code === undefined || cause instanceof UprezError) return cause
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new UprezError('no-space', `${path}: no space left`, { param: 'output', got: path, cause })
  const reason = REASONS[code] ?? (cause as Error).message
  return new UprezError('not-writable', `${path}: cannot be written: ${reason}`, {
    param: 'output',
    expected: 'a writable path',
    got: path,
    cause,
  })
}

function ignoreMissing(error: NodeJS.ErrnoException) {
  if (error.code !== 'ENOENT') throw error
}
