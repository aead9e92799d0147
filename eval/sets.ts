import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, extname, join, parse, resolve } from 'node:path'
import { UprezError } from '../errors.js'
import { readHeader } from '../infer/files.js'

/** A named set of pictures. */
export interface DataSet {
  name: string
  folder: string
  /** In the order of their names. */
  pictures: SetPicture[]
  /** Of a set of pairs; null where the low side is made, at whatever scale is asked. */
  scale: number | null
}

/** Paths of a picture's two sides. */
export interface SetPicture {
  name: string
  high: string
  /** null: made from the high side. */
  low: string | null
}

const EXTENSIONS = new Set(['.png', '.jpg', '.jpeg', '.webp', '.avif', '.tif', '.tiff'])

/**
 * The sets that the folders mean. A folder of pictures is a set of high sides; one that holds `lq/` and `gt/` a set of pairs, matched
 * by name (extensions aside); any other stands for those of its folders that are sets.
 * @throws UprezError `no-input`, `no-images`, and `invalid-option` where two sets have one name or a picture of a pair has no partner
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
  const own = await setOf(folder, entries)
  if (own) return [own]
  const inner = entries.filter(entry => entry.isDirectory() && !entry.name.startsWith('.')).map(entry => join(folder, entry.name))
  const sets = await Promise.all(inner.sort().map(async path => setOf(path, await list(path))))
  const found = sets.filter(set => set !== undefined)
  if (found.length > 0) return found
  throw new UprezError('no-images', `--data: ${folder} holds no picture, nor does a folder in it`, {
    param: 'data',
    expected: 'PNG, JPEG, WebP, AVIF or TIFF files, or folders lq and gt of them',
    got: folder,
  })
}

async function setOf(folder: string, entries: Dirent[]): Promise<DataSet | undefined> {
  const name = basename(resolve(folder))
  const isFolder = (name: string) => entries.some(entry => entry.name === name && entry.isDirectory())
  if (isFolder('lq') && isFolder('gt')) return pairsOf(name, folder)
  const pictures = picturesOf(entries).map(name => ({ name, high: join(folder, name), low: null }))
  return pictures.length === 0 ? undefined : { name, folder, pictures, scale: null }
}

async function pairsOf(name: string, folder: string): Promise<DataSet> {
  const [lows, highs] = await Promise.all(['lq', 'gt'].map(async side => picturesOf(await list(join(folder, side)))))
  const byStem = new Map(lows!.map(low => [parse(low).name, low]))
  const single = highs!.find(high => !byStem.has(parse(high).name))
  if (single !== undefined || highs!.length !== byStem.size || lows!.length !== byStem.size) throw unpaired(folder, single)
  if (highs!.length === 0) throw unpaired(folder, undefined)
  const pictures = highs!.map(high => ({
    name: high,
    high: join(folder, 'gt', high),
    low: join(folder, 'lq', byStem.get(parse(high).name)!),
  }))
  return { name, folder, pictures, scale: await scaleOf(folder, pictures) }
}

/** As the headers of the first pair that has them have it; every other pair is held to it, or found broken, when it is read. */
async function scaleOf(folder: string, pairs: { high: string; low: string }[]): Promise<number> {
  for (const { high, low } of pairs) {
    try {
      const [large, small] = await Promise.all([readHeader({ path: high }), readHeader({ path: low })])
      return Math.max(1, Math.floor(large.width / small.width))
    } catch (error) {
      if (!(error instanceof UprezError)) throw error
    }
  }
  throw new UprezError('no-images', `--data: ${folder}: no pair can be read`, {
    param: 'data',
    expected: 'PNG, JPEG, WebP, AVIF or TIFF files in lq and gt',
    got: folder,
  })
}

function picturesOf(entries: Dirent[]): string[] {
  const isPicture = (entry: Dirent) =>
    !entry.isDirectory() && !entry.name.startsWith('.') && EXTENSIONS.has(extname(entry.name).toLowerCase())
  return entries
    .filter(isPicture)
    .map(entry => entry.name)
    .sort()
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

function unpaired(folder: string, high: string | undefined): UprezError {
  const what = high === undefined ? 'lq and gt do not hold the same names' : `gt/${high} has no partner in lq`
  return new UprezError('invalid-option', `--data: ${folder}: ${what}`, {
    param: 'data',
    expected: 'a picture of the same name in lq for each in gt',
    got: high ?? folder,
  })
}

function sameName(name: string, one: string, other: string): UprezError {
  return new UprezError('invalid-option', `--data: two sets are called ${name}: ${one} and ${other}`, {
    param: 'data',
    expected: 'folders with different names',
    got: name,
  })
}
