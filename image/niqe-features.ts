import { fitAggd, meanOfAggd } from './aggd.js'
import type { Image } from './image.js'
import { resize } from './resize.js'

/** Side of a block at the first scale; at the second it is half of that. */
export const BLOCK = 96

/** 18 of each of two scales. */
export const FEATURES = 36

/** What one block of 96×96 pixels says about itself. */
export interface BlockFeatures {
  /** 36 numbers. */
  values: Float64Array
  /** Mean local standard deviation. */
  sharpness: number
}

/**
 * The natural-scene statistics of every whole block of a plane (0..255), from the upper left; the rest at the right and lower
 * edge does not count. Blocks with a flat half or whole (a fit that fails) are left out. Mittal, Soundararajan & Bovik, "Making
 * a 'completely blind' image quality analyzer", IEEE Signal Processing Letters 20(3), 2013, sections II-A to II-C, with the
 * constants of the authors' program: Gaussian window 7×7 of σ = 7/6 with repeated borders, C = 1, shifts that wrap inside a block,
 * the second scale by MATLAB's bicubic reduction.
 */
export function blockFeatures(plane: Image<Float32Array>): BlockFeatures[] {
  const columns = Math.floor(plane.width / BLOCK)
  const rows = Math.floor(plane.height / BLOCK)
  if (columns === 0 || rows === 0) return []
  const whole = corner(plane, columns * BLOCK, rows * BLOCK)
  const half = resize(whole, { width: whole.width / 2, height: whole.height / 2, kernel: 'bicubic' })
  const scales = [whole, half].map(image => ({ ...normalise(image), width: image.width }))
  const blocks = Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns]
    const values = scales.flatMap(({ normalised, width }, s) => describe(cut(normalised, width, row, column, BLOCK >> s), BLOCK >> s))
    const deviations = cut(scales[0]!.deviation, whole.width, row, column, BLOCK)
    return { values: Float64Array.from(values), sharpness: deviations.reduce((sum, value) => sum + value, 0) / deviations.length }
  })
  return blocks.filter(({ values }) => values.every(Number.isFinite))
}

/** The coefficients (I − μ) / (σ + 1), and σ, with μ and σ of the window about each pixel. */
function normalise({ data, width, height }: Image<Float32Array>): { normalised: Float64Array; deviation: Float64Array } {
  const mean = blur(Float64Array.from(data), width, height)
  const square = blur(
    Float64Array.from(data, value => value * value),
    width,
    height,
  )
  const deviation = square.map((value, i) => Math.sqrt(Math.abs(value - mean[i]! ** 2)))
  return { normalised: mean.map((value, i) => (data[i]! - value) / (deviation[i]! + 1)), deviation }
}

/** 18 features of a square of normalised coefficients: their own distribution, and those of products of neighbours in four directions. */
function describe(block: Float64Array, side: number): number[] {
  const own = fitAggd(block)
  const products = new Float64Array(block.length)
  return [
    own.shape,
    (own.left + own.right) / 2,
    ...SHIFTS.flatMap(([dy, dx]) => {
      for (let y = 0, i = 0; y < side; y++) {
        const from = ((y - dy + side) % side) * side
        for (let x = 0; x < side; x++, i++) products[i] = block[i]! * block[from + ((x - dx + side) % side)]!
      }
      const pair = fitAggd(products)
      return [pair.shape, meanOfAggd(pair), pair.left, pair.right]
    }),
  ]
}

/** Down and to the right: horizontal, vertical and both diagonal neighbours. */
const SHIFTS = [
  [0, 1],
  [1, 0],
  [1, 1],
  [1, -1],
] as const

const RADIUS = 3
const WINDOW = gaussian(RADIUS, 7 / 6)

function gaussian(radius: number, sigma: number): Float64Array {
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)))
  const sum = weights.reduce((total, weight) => total + weight)
  return weights.map(weight => weight / sum)
}

/** Gaussian mean about every pixel, borders repeated: along rows, then down columns. */
function blur(data: Float64Array, width: number, height: number): Float64Array {
  const padded = new Float64Array(width + 2 * RADIUS)
  const across = new Float64Array(data.length)
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width, (y + 1) * width)
    padded.fill(row[0]!, 0, RADIUS)
    padded.set(row, RADIUS)
    padded.fill(row[width - 1]!, RADIUS + width)
    const out = across.subarray(y * width, (y + 1) * width)
    for (let t = 0; t < WINDOW.length; t++) addWeighted(out, padded.subarray(t, t + width), WINDOW[t]!)
  }
  const down = new Float64Array(data.length)
  for (let y = 0; y < height; y++) {
    const out = down.subarray(y * width, (y + 1) * width)
    for (let t = 0; t < WINDOW.length; t++) {
      const from = Math.min(height - 1, Math.max(0, y + t - RADIUS)) * width
      addWeighted(out, across.subarray(from, from + width), WINDOW[t]!)
    }
  }
  return down
}

function addWeighted(sum: Float64Array, values: Float64Array, weight: number): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += weight * values[i]!
}

/** The upper left part. */
function corner(plane: Image<Float32Array>, width: number, height: number): Image<Float32Array> {
  const data = new Float32Array(width * height)
  for (let y = 0; y < height; y++) data.set(plane.data.subarray(y * plane.width, y * plane.width + width), y * width)
  return { data, width, height, channels: 1 }
}

function cut(data: Float64Array, width: number, row: number, column: number, side: number): Float64Array {
  const block = new Float64Array(side * side)
  for (let y = 0; y < side; y++) {
    const from = (row * side + y) * width + column * side
    block.set(data.subarray(from, from + side), y * side)
  }
  return block
}
