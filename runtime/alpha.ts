import type { Image, Pixels } from '../image/image.js'
import type { Rect } from './tiles.js'

/** Index of the alpha sample in a pixel, or undefined for grey and RGB. */
export const alphaSample = (channels: number): 1 | 3 | undefined => (channels === 2 ? 1 : channels === 4 ? 3 : undefined)

/** The one value that a sample has in all of a region (cut off at the picture's edges), or undefined. */
export function constantIn(image: Image<Pixels>, sample: number, region: Rect): number | undefined {
  const { data, width, height, channels } = image
  const left = Math.max(0, region.x)
  const right = Math.min(width, region.x + region.width)
  const top = Math.max(0, region.y)
  const bottom = Math.min(height, region.y + region.height)
  const value = data[(top * width + left) * channels + sample]!
  for (let y = top; y < bottom; y++) {
    const end = (y * width + right) * channels
    for (let i = (y * width + left) * channels + sample; i < end; i += channels) if (data[i] !== value) return undefined
  }
  return value
}

/**
 * A copy in which wholly transparent pixels have the colour of the nearest visible one, so that the colour hidden under
 * them cannot bleed into edges when the picture is enlarged. Unchanged (and not copied) where nothing or everything is transparent.
 */
export function fillTransparent<S extends Pixels>(image: Image<S>): Image<S> {
  const { width, height, channels } = image
  const sample = alphaSample(channels)
  if (sample === undefined) return image
  const nearest = nearestVisible(image, sample)
  if (nearest === undefined) return image
  const data = image.data.slice() as S
  for (let p = 0; p < width * height; p++) {
    if (nearest[p] === p) continue
    for (let c = 0; c < sample; c++) data[p * channels + c] = image.data[nearest[p]! * channels + c]!
  }
  return { ...image, data }
}

// For every pixel the (all but) nearest visible one. Row by row, down and then up, each pixel takes the best of what its
// neighbours have found so far:
//
//     1 2 3       first along the row from 1 2 3 4,
//     4 · 5       then back along it from 5; upwards the same with the row below
function nearestVisible(image: Image<Pixels>, sample: number): Int32Array | undefined {
  const { data, width, height, channels } = image
  const count = width * height
  const nearest = new Int32Array(count)
  let visible = 0
  for (let p = 0; p < count; p++) {
    const seen = data[p * channels + sample] !== 0
    nearest[p] = seen ? p : -1
    if (seen) visible++
  }
  if (visible === 0 || visible === count) return undefined

  const distance = (x: number, y: number, to: number) => (x - (to % width)) ** 2 + (y - Math.floor(to / width)) ** 2
  const offer = (x: number, y: number, fromX: number, fromY: number) => {
    if (fromX < 0 || fromX >= width || fromY < 0 || fromY >= height) return
    const candidate = nearest[fromY * width + fromX]!
    const p = y * width + x
    if (candidate >= 0 && (nearest[p]! < 0 || distance(x, y, candidate) < distance(x, y, nearest[p]!))) nearest[p] = candidate
  }
  for (const down of [1, -1]) {
    for (let row = 0; row < height; row++) {
      const y = down === 1 ? row : height - 1 - row
      for (let x = 0; x < width; x++) {
        if (nearest[y * width + x] === y * width + x) continue
        offer(x, y, x - 1, y)
        for (let dx = -1; dx <= 1; dx++) offer(x, y, x + dx, y - down)
      }
      for (let x = width - 2; x >= 0; x--) offer(x, y, x + 1, y)
    }
  }
  return nearest
}

/** How far around a pixel alpha must be constant to be taken over as it is. */
export const flatRadius = 2

/**
 * Where alpha is constant around an input pixel, its whole block of the result gets exactly that value: opaque stays
 * opaque and transparent transparent, whatever the model makes of flat regions. Changes `out`.
 */
export function keepFlatAlpha(image: Image<Pixels>, out: Image<Pixels>, scale: number, sample: number): void {
  const { width, height, channels } = image
  const flat = flatPixels(image, sample)
  for (let y = 0; y < height * scale; y++) {
    const row = Math.floor(y / scale) * width
    for (let x = 0; x < width; x++) {
      if (flat[row + x] === 0) continue
      const value = image.data[(row + x) * channels + sample]!
      const start = (y * out.width + x * scale) * channels + sample
      for (let i = 0; i < scale; i++) out.data[start + i * channels] = value
    }
  }
}

// 1 where all samples within flatRadius (inside the picture) are equal. Equal neighbours are counted: along rows, then down columns.
function flatPixels(image: Image<Pixels>, sample: number): Uint8Array {
  const { data, width, height, channels } = image
  const at = (x: number, y: number) => data[(y * width + x) * channels + sample]!
  const rows = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) {
    let changed = -1
    for (let x = 0, reach = 1; x < width; x++) {
      for (; reach <= Math.min(width - 1, x + flatRadius); reach++) if (at(reach, y) !== at(reach - 1, y)) changed = reach
      rows[y * width + x] = changed > Math.max(0, x - flatRadius) ? 0 : 1
    }
  }
  const flat = new Uint8Array(width * height)
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      let same = 1
      for (let j = Math.max(0, y - flatRadius); j <= Math.min(height - 1, y + flatRadius); j++) {
        if (rows[j * width + x] === 0 || at(x, j) !== at(x, y)) same = 0
      }
      flat[y * width + x] = same
    }
  }
  return flat
}
