import { access, constants, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { UprezError } from '../errors.js'

/**
 * Makes sure that the results fit on the disk of `folder` (which need not exist yet).
 * @throws UprezError `no-space`
 */
export async function checkSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(await nearestFolder(folder))
  const free = bavail * bsize
  // Some network file systems do not tell.
  if (bytes <= free || blocks === 0) return
  throw new UprezError('no-space', `${folder}: the results need about ${inUnits(bytes)}, ${inUnits(free)} are free`, {
    param: 'output',
    expected: inUnits(bytes),
    got: inUnits(free),
  })
}

/**
 * Makes sure without writing anything that `folder` can be made or written.
 * @throws UprezError `not-writable`
 */
export async function checkFolder(folder: string): Promise<void> {
  const nearest = await nearestFolder(folder)
  const reason = (await stat(nearest)).isDirectory()
    ? await access(nearest, constants.W_OK).catch((error: Error) => error)
    : new Error('not a folder')
  if (reason === undefined) return
  throw new UprezError('not-writable', `--output: ${folder} cannot be written: ${reason.message}`, {
    param: 'output',
    got: nearest,
    cause: reason,
  })
}

/** 1234567 → "1.2 MB" */
export function inUnits(bytes: number): string {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)))
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${['B', 'kB', 'MB', 'GB', 'TB'][power]}`
}

async function nearestFolder(path: string): Promise<string> {
  const there = await stat(path).then(
    () => true,
    () => false,
  )
  return there || dirname(path) === path ? path : nearestFolder(dirname(path))
}
