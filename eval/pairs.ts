import { readFile } from 'node:fs/promises'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { resize } from '../image/resize.js'
import { decode } from '../infer/files.js'

/** What a model is asked and the answer it should give; 8-bit RGB. */
export interface Pair {
  low: Image
  /** `scale` times as wide and high. */
  high: Image
}

/** SSIM's window must fit once the border is shaved. */
const LEAST_SCORED_SIDE = 11

/**
 * Reads a high-resolution picture and makes its low side as the published tables do: cropped at the right and lower edge to a
 * multiple of the scale, reduced as MATLAB's `imresize(…, 1/scale, 'bicubic')`, rounded to 8 bits. Alpha is dropped.
 * @throws UprezError `no-input`, what `decode` throws, and `broken-image` for a picture that is too small to be scored
 */
export async function loadPair(path: string, scale: number): Promise<Pair> {
  const bytes = await readFile(path).catch(cause => {
    throw new UprezError('no-input', `cannot be read: ${(cause as Error).message}`, { param: 'data', got: path, cause })
  })
  const { image } = await decode(bytes, { maxInputPixels: Number.MAX_SAFE_INTEGER })
  const high = rgb(image, image.width - (image.width % scale), image.height - (image.height % scale))
  const least = LEAST_SCORED_SIDE + 2 * scale
  if (Math.min(high.width, high.height) < least) throw tooSmall(image, least)
  return { low: resize(high, { width: high.width / scale, height: high.height / scale, kernel: 'bicubic' }), high }
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

function tooSmall({ width, height }: Image, least: number): UprezError {
  const expected = `at least ${least} pixels a side`
  return new UprezError('broken-image', `Expected ${expected} to be scored but the picture has ${width}×${height}`, {
    param: 'data',
    expected,
    got: `${width}×${height}`,
  })
}
