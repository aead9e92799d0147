import type { Image, Samples } from './image.js'

/**
 * Luma of an 8-bit picture as the published super-resolution tables compute it: Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255,
 * 16 (black) to 235 (white), not rounded. Grey counts as R = G = B; alpha is ignored.
 * @returns one float per pixel
 */
export function luma(image: Image<Uint8Array>): Image<Float32Array> {
  const { data, width, height, channels } = image
  const y = new Float32Array(width * height)
  const [g, b] = channels >= 3 ? [1, 2] : [0, 0]
  for (let i = 0, p = 0; p < y.length; i += channels, p++) {
    y[p] = 16 + (65.481 * data[i]! + 128.553 * data[i + g]! + 24.966 * data[i + b]!) / 255
  }
  return { data: y, width, height, channels: 1 }
}

/** True where red, green and blue are equal in every pixel (always for one- and two-channel pictures). */
export function isGrey(image: Image<Samples>): boolean {
  const { data, channels } = image
  if (channels < 3) return true
  for (let i = 0; i < data.length; i += channels) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false
  }
  return true
}
