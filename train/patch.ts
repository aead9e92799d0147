import type { Image } from '../image/image.js'
import { integer } from './random.js'

/** A picture and its low-resolution side, aligned: high is scale times as wide and high. RGB. */
export interface Pair {
  low: Image
  high: Image
}

/** Where and how a patch is taken: offsets in low-resolution pixels, one of the eight symmetries of the square. */
export interface Place {
  x: number
  y: number
  symmetry: number
}

export function randomPlace(random: () => number, low: { width: number; height: number }, patch: number): Place {
  return { x: integer(random, low.width - patch + 1), y: integer(random, low.height - patch + 1), symmetry: integer(random, 8) }
}

/**
 * Copies a square of an RGB image into `out` as floats in [0,1], NHWC, under a symmetry:
 * bit 0 mirrors left–right, bit 1 top–bottom, bit 2 swaps rows and columns.
 */
export function cutPatch(image: Image, x: number, y: number, side: number, symmetry: number, out: Float32Array, offset: number): void {
  const { data, width } = image
  let right = 3
  let down = width * 3
  let start = (y * width + x) * 3
  if (symmetry & 1) {
    start += (side - 1) * right
    right = -right
  }
  if (symmetry & 2) {
    start += (side - 1) * down
    down = -down
  }
  if (symmetry & 4) [right, down] = [down, right]
  let to = offset
  for (let row = 0; row < side; row++) {
    let from = start + row * down
    for (let column = 0; column < side; column++) {
      out[to++] = data[from]! / 255
      out[to++] = data[from + 1]! / 255
      out[to++] = data[from + 2]! / 255
      from += right
    }
  }
}
