import sharp from 'sharp'
import { UprezError } from '../errors.js'
import type { DataOptions } from './data-options.js'
import { type FoundPair, namedPairs, type Sorted, sortPairs } from './pair-folders.js'
import { walk } from './walk.js'

/** Headers read at a time. */
const AT_ONCE = 32

/** One picture on disk to train on. */
export interface Source {
  path: string
  /** Its low-resolution side, where that is given. */
  low?: string
  /** Size of the high-resolution side: a multiple of the scale. */
  width: number
  height: number
}

export interface Sources {
  training: Source[]
  validation: Source[]
  /** Files left out, with the reason. */
  skipped: { path: string; reason: string }[]
}

/**
 * Lists the images of the folders and pairs, and keeps some out for validation: evenly spaced among the sorted names, so neither the
 * machine nor the order of the directory matters. A picture smaller than a patch is taken if mirroring its sides once fills the patch.
 * @param ownLow the low side is degraded by us; see `sortPairs`
 * @param onProgress told how many of the files have been looked at
 * @throws UprezError `no-input` for a folder that cannot be read, `no-images` where nothing usable remains, `pair-mismatch`
 */
export async function findSources(
  data: Pick<DataOptions, 'folders' | 'pairs' | 'patch' | 'validation'>,
  scale: number,
  ownLow: boolean,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Sources> {
  const side = data.patch * scale
  const { files, skipped } = await listAll(data, scale, ownLow)
  const usable: Source[] = []
  for (let from = 0; from < files.length; from += AT_ONCE) {
    onProgress(from, files.length)
    for (const found of await Promise.all(files.slice(from, from + AT_ONCE).map(file => measure(file, scale)))) {
      if (found instanceof UprezError) throw found
      if ('reason' in found) skipped.push(found)
      else if (Math.min(found.width, found.height) < side / 2) {
        skipped.push({ path: found.path, reason: `${found.width}×${found.height} is smaller than half a patch of ${side} pixels` })
      } else usable.push(found)
    }
  }
  const kept = chooseValidation(usable, data.validation, side)
  const training = usable.filter(({ path }) => !kept.has(path))
  if (training.length > 0) return { training, validation: usable.filter(source => kept.get(source.path) === source), skipped }
  const folders = [...data.folders, ...data.pairs.map(({ high }) => high)].join(', ')
  throw new UprezError('no-images', `no image of at least ${side / 2}×${side / 2} pixels in ${folders || 'no folder'}`, {
    param: '--data',
    expected: `PNG, JPEG, WebP, AVIF or TIFF files of at least ${side / 2} pixels a side`,
    got: skipped.length > 0 ? `${skipped.length} files left out, the first because ${skipped[0]!.reason}` : 'no image file',
  })
}

/** A picture, or both sides of one. */
interface File {
  path: string
  low?: string
}

/** A file that is reached in two ways counts once. */
async function listAll(data: Pick<DataOptions, 'folders' | 'pairs'>, scale: number, ownLow: boolean) {
  const sorted: Sorted[] = []
  for (const folder of data.folders) sorted.push(sortPairs(await walk(folder), scale, ownLow))
  for (const { low, high } of data.pairs) sorted.push(await namedPairs(low, high))
  const seen = new Set<string>()
  const isNew = (key: string) => !seen.has(key) && seen.add(key)
  const files: File[] = []
  const keyOf = ({ low, high }: FoundPair) => `${low.real}\n${high.real}`
  for (const pair of sorted.flatMap(({ pairs }) => pairs)) {
    if (isNew(keyOf(pair))) files.push({ path: pair.high.path, low: pair.low.path })
    seen.add(pair.high.real)
  }
  const singles = sorted.flatMap(({ singles }) => singles).filter(({ real }) => isNew(real))
  const alone = sorted.flatMap(({ alone }) => alone).filter(({ real }) => isNew(real))
  return {
    files: [...singles.map(({ path }): File => ({ path })), ...files],
    skipped: alone.map(({ path }) => ({ path, reason: 'the other side of the pair has no picture of this name' })),
  }
}

async function measure({ path, low }: File, scale: number): Promise<Source | { path: string; reason: string } | UprezError> {
  const size = await readSize(path)
  if ('reason' in size) return size
  const { width, height } = size
  if (low === undefined) return { path, width: width - (width % scale), height: height - (height % scale) }
  const small = await readSize(low)
  if ('reason' in small) return small
  if (small.width * scale === width && small.height * scale === height) return { path, low, width, height }
  return new UprezError('pair-mismatch', `${low} is ${small.width}×${small.height} and ${path} ${width}×${height}: not ×${scale}`, {
    param: path,
    expected: `${small.width * scale}×${small.height * scale}, ${scale} times ${low}`,
    got: `${width}×${height}`,
  })
}

async function readSize(path: string): Promise<{ width: number; height: number } | { path: string; reason: string }> {
  try {
    return (await sharp(path).metadata()).autoOrient
  } catch (error) {
    return { path, reason: `it cannot be read (${(error as Error).message.split('\n')[0]})` }
  }
}

/** Pictures kept from training, by path: one that has several low sides is kept with all of them, and measured with the first. */
function chooseValidation(usable: Source[], count: number, side: number): Map<string, Source> {
  const candidates = new Map<string, Source>()
  for (const source of usable) {
    if (Math.min(source.width, source.height) >= side && !candidates.has(source.path)) candidates.set(source.path, source)
  }
  const sources = [...candidates]
  const kept = Math.min(count, Math.floor(sources.length / 2))
  const every = sources.length / Math.max(kept, 1)
  return new Map(Array.from({ length: kept }, (_, i) => sources[Math.floor((i + 0.5) * every)]!))
}
