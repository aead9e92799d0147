import { readFile } from 'node:fs/promises'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { resize } from '../image/resize.js'
import { decode } from '../infer/files.js'
import type { SetPicture } from './sets.js'

/** What a model is asked and the answer it should give; 8-bit RGB. */
export interface Pair {
  low: Image
  /** `scale` times as wide and high. */
  high: Image
}

/** SSIM's window must fit once the border is shaved. */
const LEAST_SCORED_SIDE = 11

/**
 * Reads a high-resolution picture, cropped at the right and lower edge to a multiple of the scale, and its low side: from its file,
 * or made as the published tables do, reduced as MATLAB's `imresize(…, 1/scale, 'bicubic')` and rounded to 8 bits. Alpha is dropped.
 * @throws UprezError `no-input`, what `decode` throws, `broken-image` for a picture that is too small to be scored, `invalid-option`
 *   for a low side that is not 1/scale of the high one
 */
export async function loadPair(picture: SetPicture, scale: number): Promise<Pair> {
  const image = await read(picture.high)
  const high = rgb(image, image.width - (image.width % scale), image.height - (image.height % scale))
  const least = LEAST_SCORED_SIDE + 2 * scale
  if (Math.min(high.width, high.height) < least) throw tooSmall(image, least)
  const size = { width: high.width / scale, height: high.height / scale }
  if (picture.low === null) return { low: resize(high, { ...size, kernel: 'bicubic' }), high }
  const low = rgb(await read(picture.low))
  if (low.width !== size.width || low.height !== size.height) throw otherScale(picture.low, low, size)
  return { low, high }
}

/** The upper left part of a picture as RGB: grey three times, without alpha. */
export function rgb(image: Image, width = image.width, height = image.height): Image {
  const { data, channels } = image
  const out = new Uint8Array(width * height * 3)
  const [g, b] = channels >= 3 ? [1, 2] : [0, 0]
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0, i = y * image.width * channels; x < width; x++, i += channels, o += 3) {
      out[o] = data[i]!
      out[o + 1] = data[i + g]!
      out[o + 2] = data[i + b]!
    }
  }
  return { data: out, width, height, channels: 3 }
}

async function read(path: string): Promise<Image> {
  const bytes = await readFile(path).catch(cause => {
    throw new UprezError('no-input', `cannot be read: ${(cause as Error).message}`, { param: 'data', got: path, cause })
  })
  return (await decode(bytes, { maxInputPixels: Number.MAX_SAFE_INTEGER })).image
}

function tooSmall({ width, height }: Image, least: number): UprezError {
  const expected = `at least ${least} pixels a side`
  return new UprezError('broken-image', `Expected ${expected} to be scored but the picture has ${width}×${height}`, {
    param: 'data',
    expected,
    got: `${width}×${height}`,
  })
}

function otherScale(path: string, low: Image, size: { width: number; height: number }): UprezError {
  const expected = `${size.width}×${size.height} pixels`
  const got = `${low.width}×${low.height}`
  return new UprezError('invalid-option', `Expected ${expected} for ${path} but it has ${got}`, { param: 'data', expected, got })
}
