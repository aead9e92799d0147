import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { UprezError } from '../errors.js'

/**
 * Writes beside the target, flushes to the disk, renames: the target is always whole.
 * @throws UprezError `no-space`, `not-writable`
 */
export async function writeAtomically(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw writeError(error, path)
  }
}

const NOT_WRITABLE = ['EACCES', 'EROFS', 'EPERM', 'ENOTDIR', 'EEXIST', 'EISDIR', 'ENOENT']

/** The error of a failed write as one for the user; what is none of a write's goes through. */
export function writeError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new UprezError('no-space', `no space left to write ${path}`, { param: '-o', cause: error })
  if (code !== undefined && NOT_WRITABLE.includes(code)) {
    return new UprezError('not-writable', `${path} cannot be written (${code})`, { param: '-o', got: path, cause: error })
  }
  return error
}
