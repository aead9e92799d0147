import { readdir } from 'node:fs/promises'
import { extname, join, relative, resolve } from 'node:path'
import sharp from 'sharp'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { resize } from '../image/resize.js'
import type { Pair } from './patch.js'

/** Headers read at a time. */
const AT_ONCE = 32
const EXTENSIONS = new Set(['.png', '.jpg', '.jpeg', '.webp', '.avif', '.tif', '.tiff'])

/** One picture on disk that is large enough to train on. */
export interface Source {
  path: string
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
 * Lists the images of the folders, recursively, and keeps some out for validation: evenly spaced among the
 * sorted names, so neither the machine nor the order of the directory matters.
 * @param onProgress told how many of the files have been looked at
 * @throws UprezError `no-input` for a folder that cannot be read, `no-images` where nothing usable remains
 */
export async function findSources(
  folders: string[],
  scale: number,
  patch: number,
  validation: number,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<Sources> {
  const skipped: Sources['skipped'] = []
  const usable: Source[] = []
  const paths = await listAll(folders)
  for (let from = 0; from < paths.length; from += AT_ONCE) {
    onProgress(from, paths.length)
    const some = paths.slice(from, from + AT_ONCE)
    for (const [i, found] of (await Promise.all(some.map(path => readSize(path, scale)))).entries()) {
      const path = some[i]!
      if ('reason' in found) skipped.push({ path, reason: found.reason })
      else if (Math.min(found.width, found.height) < patch * scale) {
        skipped.push({ path, reason: `${found.width}×${found.height} is smaller than a patch of ${patch * scale} pixels` })
      } else usable.push({ path, ...found })
    }
  }
  const kept = Math.min(validation, Math.floor(usable.length / 2))
  const every = usable.length / Math.max(kept, 1)
  const chosen = new Set(Array.from({ length: kept }, (_, i) => Math.floor((i + 0.5) * every)))
  const training = usable.filter((_, i) => !chosen.has(i))
  if (training.length === 0) {
    throw new UprezError(
      'no-images',
      `no image of at least ${patch * scale}×${patch * scale} pixels in ${folders.join(', ') || 'no folder'}`,
      {
        param: '--data',
        expected: `PNG, JPEG, WebP, AVIF or TIFF files of at least ${patch * scale} pixels a side`,
        got: skipped.length > 0 ? `${skipped.length} files left out, the first because ${skipped[0]!.reason}` : 'no image file',
      },
    )
  }
  return { training, validation: usable.filter((_, i) => chosen.has(i)), skipped }
}

/**
 * Decodes a picture, 8-bit sRGB, and makes its low-resolution side as MATLAB's `imresize(…, 1/scale, 'bicubic')` does, rounded to 8 bits.
 * @param low made from the whole picture, so that patches cut from it see what a deployed model sees
 * @param limit sides longer than this are cut to their middle
 */
export async function loadPair(path: string, scale: number, limit = Number.POSITIVE_INFINITY): Promise<Pair> {
  const { data, info } = await sharp(path).autoOrient().toColourspace('srgb').removeAlpha().raw().toBuffer({ resolveWithObject: true })
  const whole = toRgb({ data, width: info.width, height: info.height, channels: info.channels })
  const high = cropToMultiple(cutMiddle(whole, Math.min(whole.width, limit), Math.min(whole.height, limit)), scale)
  const low = resize(high, { width: high.width / scale, height: high.height / scale, kernel: 'bicubic' })
  return { low, high }
}

/** A file that two of the folders hold counts once. */
async function listAll(folders: string[]): Promise<string[]> {
  const paths = new Map<string, string>()
  for (const folder of folders) {
    for (const path of await listImages(folder)) if (!paths.has(resolve(path))) paths.set(resolve(path), path)
  }
  return [...paths.values()]
}

async function listImages(folder: string): Promise<string[]> {
  let entries: Awaited<ReturnType<typeof readEntries>>
  try {
    entries = await readEntries(folder)
  } catch {
    throw new UprezError('no-input', `the data folder ${folder} cannot be read`, {
      param: '--data',
      expected: 'a folder of images',
      got: folder,
    })
  }
  return entries
    .filter(entry => entry.isFile() && EXTENSIONS.has(extname(entry.name).toLowerCase()) && !entry.name.startsWith('.'))
    .map(entry => join(entry.parentPath, entry.name))
    .sort((a, b) => (relative(folder, a) < relative(folder, b) ? -1 : 1))
}

function readEntries(folder: string) {
  return readdir(folder, { recursive: true, withFileTypes: true })
}

async function readSize(path: string, scale: number): Promise<{ width: number; height: number } | { reason: string }> {
  try {
    const { autoOrient } = await sharp(path).metadata()
    return { width: autoOrient.width - (autoOrient.width % scale), height: autoOrient.height - (autoOrient.height % scale) }
  } catch (error) {
    return { reason: `it cannot be read (${(error as Error).message.split('\n')[0]})` }
  }
}

function toRgb(image: Image): Image {
  if (image.channels === 3) return image
  const data = new Uint8Array(image.width * image.height * 3)
  for (let i = 0; i < image.width * image.height; i++) data.fill(image.data[i * image.channels]!, i * 3, i * 3 + 3)
  return { ...image, data, channels: 3 }
}

function cropToMultiple(image: Image, scale: number): Image {
  return crop(image, 0, 0, image.width - (image.width % scale), image.height - (image.height % scale))
}

/** The middle of an RGB image. */
export function cutMiddle(image: Image, width: number, height: number): Image {
  return crop(image, Math.floor((image.width - width) / 2), Math.floor((image.height - height) / 2), width, height)
}

function crop(image: Image, left: number, top: number, width: number, height: number): Image {
  if (width === image.width && height === image.height) return image
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3
    data.set(image.data.subarray(from, from + width * 3), y * width * 3)
  }
  return { data, width, height, channels: 3 }
}
