import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, extname, join, resolve } from 'node:path'
import { UprezError } from '../errors.js'

/** A named set of pictures, each the high-resolution side. */
export interface DataSet {
  name: string
  folder: string
  /** Names inside the folder, sorted. */
  files: string[]
}

const EXTENSIONS = new Set(['.png', '.jpg', '.jpeg', '.webp', '.avif', '.tif', '.tiff'])

/**
 * The sets that the folders mean: one that holds pictures is a set, one that holds none stands for those of its folders that do.
 * @throws UprezError `no-input`, `no-images`, and `invalid-option` where two sets have one name
 */
export async function findSets(folders: readonly string[]): Promise<DataSet[]> {
  const sets = (await Promise.all(folders.map(setsIn))).flat()
  for (const [i, { name, folder }] of sets.entries()) {
    const other = sets.findIndex(set => set.name === name)
    if (other !== i) throw sameName(name, sets[other]!.folder, folder)
  }
  return sets
}

async function setsIn(folder: string): Promise<DataSet[]> {
  const entries = await list(folder)
  const own = setOf(folder, entries)
  if (own) return [own]
  const inner = entries.filter(entry => entry.isDirectory() && !entry.name.startsWith('.')).map(entry => join(folder, entry.name))
  const sets = await Promise.all(inner.sort().map(async path => setOf(path, await list(path))))
  const found = sets.filter(set => set !== undefined)
  if (found.length > 0) return found
  throw new UprezError('no-images', `--data: ${folder} holds no picture, nor does a folder in it`, {
    param: 'data',
    expected: 'PNG, JPEG, WebP, AVIF or TIFF files',
    got: folder,
  })
}

function setOf(folder: string, entries: Dirent[]): DataSet | undefined {
  const isPicture = (entry: Dirent) =>
    !entry.isDirectory() && !entry.name.startsWith('.') && EXTENSIONS.has(extname(entry.name).toLowerCase())
  const files = entries.filter(isPicture).map(entry => entry.name)
  return files.length === 0 ? undefined : { name: basename(resolve(folder)), folder, files: files.sort() }
}

async function list(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'ENOENT' ? 'there is no such folder' : cause.code === 'ENOTDIR' ? 'it is not a folder' : cause.message
    throw new UprezError('no-input', `--data: ${folder}: ${reason}`, {
      param: 'data',
      expected: 'a folder of pictures',
      got: folder,
      cause,
    })
  })
}

function sameName(name: string, one: string, other: string): UprezError {
  return new UprezError('invalid-option', `--data: two sets are called ${name}: ${one} and ${other}`, {
    param: 'data',
    expected: 'folders with different names',
    got: name,
  })
}
