import { UprezError } from '../errors.js'
import type { Image } from './image.js'
import { luma } from './luma.js'
import { shave as shaved } from './shave.js'

/**
 * PSNR in dB over all samples of two 8-bit pictures (peak 255), `shave` pixels left out at each border. Equal pictures: Infinity.
 * @throws UprezError `invalid-option` where the pictures differ in size or channels, or are all border
 */
export function psnr(a: Image, b: Image, shave = 0): number {
  requireComparable(a, b, shave)
  return decibels(meanSquare(a.data, b.data, a, shave))
}

/** PSNR of luma in dB, as the published tables have it: `shave` is the scale. Errors as `psnr`. */
export function psnrY(a: Image, b: Image, shave: number): number {
  requireComparable(a, b, shave)
  const [ya, yb] = [luma(a), luma(b)]
  return decibels(meanSquare(ya.data, yb.data, ya, shave))
}

/**
 * SSIM of luma (0..1): 11×11 Gaussian window of σ = 1.5, only windows wholly inside, K1 = 0.01, K2 = 0.03, L = 255.
 * @throws UprezError `invalid-option` as `psnr`, and where fewer than 11 pixels a side are left
 */
export function ssimY(a: Image, b: Image, shave: number): number {
  requireComparable(a, b, shave)
  const plane = (image: Image): Plane => {
    const y = shaved(luma(image), shave)
    return { ...y, data: Float64Array.from(y.data) }
  }
  return ssim(plane(a), plane(b))
}

interface Plane {
  data: Float64Array
  width: number
  height: number
}

function ssim(a: Plane, b: Plane): number {
  if (Math.min(a.width, a.height) < window.length) {
    throw new UprezError('invalid-option', `SSIM needs at least ${window.length} pixels a side after shaving, not ${a.width}×${a.height}`, {
      param: 'shave',
      expected: `${window.length} pixels or more a side`,
      got: `${a.width}×${a.height}`,
    })
  }
  const meanA = blur(a)
  const meanB = blur(b)
  const squares = blur(combined(a, b, (va, vb) => va * va + vb * vb))
  const products = blur(combined(a, b, (va, vb) => va * vb))
  const c1 = (0.01 * 255) ** 2
  const c2 = (0.03 * 255) ** 2
  let sum = 0
  for (let i = 0; i < products.length; i++) {
    const ma = meanA[i]!
    const mb = meanB[i]!
    const variances = squares[i]! - ma * ma - mb * mb
    const covariance = products[i]! - ma * mb
    sum += ((2 * ma * mb + c1) * (2 * covariance + c2)) / ((ma * ma + mb * mb + c1) * (variances + c2))
  }
  return sum / products.length
}

const window = gaussian(11, 1.5)

function gaussian(length: number, sigma: number): number[] {
  const weights = Array.from({ length }, (_, i) => Math.exp(-((i - (length - 1) / 2) ** 2) / (2 * sigma * sigma)))
  const sum = weights.reduce((s, w) => s + w)
  return weights.map(w => w / sum)
}

// The Gaussian mean over every window that lies wholly inside: along rows, then down columns.
function blur(plane: Plane): Float64Array {
  const width = plane.width - window.length + 1
  const height = plane.height - window.length + 1
  const rows = new Float64Array(width * plane.height)
  for (let y = 0; y < plane.height; y++) weigh(plane.data, y * plane.width, 1, rows.subarray(y * width, (y + 1) * width))
  const means = new Float64Array(width * height)
  weigh(rows, 0, width, means)
  return means
}

// Eleven values, `step` apart, weighted; written out because this is where the time goes.
function weigh(from: Float64Array, start: number, step: number, to: Float64Array): void {
  const [w0, w1, w2, w3, w4, w5] = window as [number, number, number, number, number, number]
  for (let i = 0, p = start + 5 * step; i < to.length; i++, p++) {
    to[i] =
      w5 * from[p]! +
      w4 * (from[p - step]! + from[p + step]!) +
      w3 * (from[p - 2 * step]! + from[p + 2 * step]!) +
      w2 * (from[p - 3 * step]! + from[p + 3 * step]!) +
      w1 * (from[p - 4 * step]! + from[p + 4 * step]!) +
      w0 * (from[p - 5 * step]! + from[p + 5 * step]!)
  }
}

function combined(a: Plane, b: Plane, value: (va: number, vb: number) => number): Plane {
  const data = new Float64Array(a.data.length)
  for (let i = 0; i < data.length; i++) data[i] = value(a.data[i]!, b.data[i]!)
  return { ...a, data }
}

function meanSquare(
  a: Uint8Array | Float32Array,
  b: Uint8Array | Float32Array,
  size: Image<Uint8Array | Float32Array>,
  shave: number,
): number {
  const { width, height, channels } = size
  let sum = 0
  for (let y = shave; y < height - shave; y++) {
    const end = (y * width + width - shave) * channels
    for (let i = (y * width + shave) * channels; i < end; i++) {
      const d = a[i]! - b[i]!
      sum += d * d
    }
  }
  return sum / ((width - 2 * shave) * (height - 2 * shave) * channels)
}

const decibels = (meanSquareError: number) => 10 * Math.log10((255 * 255) / meanSquareError)

function requireComparable(a: Image, b: Image, shave: number): void {
  const size = (i: Image) => `${i.width}×${i.height}×${i.channels}`
  if (size(a) !== size(b)) {
    throw new UprezError('invalid-option', `the two pictures must have one size and number of channels: ${size(a)} and ${size(b)}`, {
      param: 'image',
      expected: size(a),
      got: size(b),
    })
  }
  if (Math.min(a.width, a.height) <= 2 * shave) {
    throw new UprezError('invalid-option', `shave must leave a pixel of ${size(a)}, not ${shave} at each border`, {
      param: 'shave',
      expected: `less than half of ${Math.min(a.width, a.height)}`,
      got: String(shave),
    })
  }
}
