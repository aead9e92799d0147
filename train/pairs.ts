import sharp from 'sharp'
import type { Image } from '../image/image.js'
import { resize } from '../image/resize.js'
import type { Pair } from './patch.js'

/** Decodes a picture: 8-bit sRGB, upright, without alpha; grey as R = G = B. */
export async function loadPicture(path: string): Promise<Image> {
  const { data, info } = await sharp(path).autoOrient().toColourspace('srgb').removeAlpha().raw().toBuffer({ resolveWithObject: true })
  return toRgb({ data, width: info.width, height: info.height, channels: info.channels })
}

/**
 * Loads both sides of a picture; a low side that is not given is made of the whole picture, so that patches cut from it see what a
 * deployed model sees.
 * @param least side of the high picture below which both are continued by their mirror image
 */
export async function loadPair({ path, low }: { path: string; low?: string }, scale: number, least = 0): Promise<Pair> {
  if (low === undefined) return bicubicPair(mirrored(cropToMultiple(await loadPicture(path), scale), least), scale)
  const [small, large] = await Promise.all([loadPicture(low), loadPicture(path)])
  return { low: mirrored(small, least / scale), high: mirrored(large, least) }
}

/** The low side as MATLAB's `imresize(…, 1/scale, 'bicubic')` makes it, rounded to 8 bits. */
export function bicubicPair(high: Image, scale: number): Pair {
  return { low: resize(high, { width: high.width / scale, height: high.height / scale, kernel: 'bicubic' }), high }
}

/** Without what is over at the right and lower edge. */
export function cropToMultiple(image: Image, scale: number): Image {
  return crop(image, 0, 0, image.width - (image.width % scale), image.height - (image.height % scale))
}

/** The middle of an RGB image. */
export function cutMiddle(image: Image, width: number, height: number): Image {
  return crop(image, Math.floor((image.width - width) / 2), Math.floor((image.height - height) / 2), width, height)
}

/** A rectangle of an RGB image. */
export function crop(image: Image, left: number, top: number, width: number, height: number): Image {
  if (width === image.width && height === image.height) return image
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3
    data.set(image.data.subarray(from, from + width * 3), y * width * 3)
  }
  return { data, width, height, channels: 3 }
}

/** An RGB image continued to the right and downwards by its mirror image (… n−2 n−1 | n−1 n−2 …), as far as `least` and once at most. */
export function mirrored(image: Image, least: number): Image {
  const [width, height] = [Math.max(image.width, least), Math.max(image.height, least)]
  if (width === image.width && height === image.height) return image
  const inside = (at: number, length: number) => (at < length ? at : 2 * length - 1 - at)
  const data = new Uint8Array(width * height * 3)
  for (let y = 0, to = 0; y < height; y++) {
    const row = inside(y, image.height) * image.width
    for (let x = 0; x < width; x++, to += 3) {
      const from = (row + inside(x, image.width)) * 3
      data.set(image.data.subarray(from, from + 3), to)
    }
  }
  return { data, width, height, channels: 3 }
}

function toRgb(image: Image): Image {
  if (image.channels === 3) return image
  const data = new Uint8Array(image.width * image.height * 3)
  for (let i = 0; i < image.width * image.height; i++) data.fill(image.data[i * image.channels]!, i * 3, i * 3 + 3)
  return { ...image, data, channels: 3 }
}
