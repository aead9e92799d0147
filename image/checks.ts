import { UprezError } from '../errors.js'
import type { Image } from './image.js'
import { luma } from './luma.js'
import { psnr } from './metrics.js'
import { resize } from './resize.js'

/**
 * How well an enlarged picture keeps to what it was made from: PSNR in dB between its MATLAB bicubic reduction and the low side,
 * over all colours. Invented detail that would not vanish in the reduction lowers it.
 */
export function consistency(enlarged: Image, low: Image): number {
  return psnr(resize(enlarged, { width: low.width, height: low.height, kernel: 'bicubic' }), low)
}

/**
 * Mean of each channel less that of the original, in steps of 255.
 * @throws UprezError `invalid-option` where the pictures differ in size or channels
 */
export function channelShift(image: Image, original: Image): number[] {
  if (image.data.length !== original.data.length || image.channels !== original.channels) {
    const size = (i: Image) => `${i.width}×${i.height}×${i.channels}`
    throw new UprezError('invalid-option', `the two pictures must have one size: ${size(image)} and ${size(original)}`, {
      param: 'image',
      expected: size(original),
      got: size(image),
    })
  }
  const sums = new Array<number>(image.channels).fill(0)
  for (let i = 0; i < image.data.length; i++) sums[i % image.channels]! += image.data[i]! - original.data[i]!
  return sums.map(sum => sum / (image.width * image.height))
}

/**
 * Power of luma at the frequencies u/scale, v/scale (one of each conjugate pair, without 0, 0): those of a pattern that repeats
 * with the grid of the low side, as transposed convolutions and pixel shuffles leave it (Odena, Dumoulin & Olah, "Deconvolution
 * and checkerboard artifacts", Distill 2016). Mean over windows of 8 low pixels a side, Hann-weighted and half overlapping, so
 * that a pattern counts whose sign changes from place to place; white noise of variance 1 has the power 1 at each.
 * A picture smaller than a window gives zeros.
 */
export function gridPower(image: Image, scale: number): number[] {
  const y = luma(image)
  const side = 8 * scale
  const hann = Float64Array.from({ length: side }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / side))
  const waves = gridWaves(scale)
  const power = waves.map(() => 0)
  const cell = new Float64Array(scale * scale)
  let windows = 0
  for (let top = 0; top + side <= y.height; top += side / 2) {
    for (let left = 0; left + side <= y.width; left += side / 2, windows++) {
      // A wave of the grid is the same in every cell of scale × scale: the window folds into one.
      cell.fill(0)
      for (let j = 0; j < side; j++) {
        const row = (top + j) * y.width + left
        for (let i = 0; i < side; i++) cell[(j % scale) * scale + (i % scale)]! += hann[j]! * hann[i]! * y.data[row + i]!
      }
      for (const [w, wave] of waves.entries()) power[w]! += squaredAmplitude(cell, wave)
    }
  }
  // Σ hann² over the window: what white noise of variance 1 amounts to.
  const norm = Math.max(1, windows) * (0.375 * side) ** 2
  return power.map(sum => sum / norm)
}

/**
 * The largest ratio over the frequencies of `gridPower`, pooled over pictures, to that of their originals. Both are given
 * noise of one step of 255, which nobody sees: of smooth pictures it is all there is. Above 1: the enlargement imprints its grid (or is noisier).
 */
export function gridRatio(powers: readonly number[][], originals: readonly number[][]): number {
  const mean = (of: readonly number[][], w: number) => of.reduce((sum, power) => sum + power[w]!, 0) / of.length + UNSEEN
  return Math.max(...originals[0]!.map((_, w) => mean(powers, w) / mean(originals, w)))
}

/** Power of the noise, in squared steps. */
const UNSEEN = 1

interface Wave {
  cos: Float64Array
  sin: Float64Array
}

function gridWaves(scale: number): Wave[] {
  const waves: Wave[] = []
  for (let v = 0; v < scale; v++) {
    for (let u = 0; u < scale; u++) {
      const conjugate = ((scale - v) % scale) * scale + ((scale - u) % scale)
      if ((u === 0 && v === 0) || conjugate < v * scale + u) continue
      const phase = (p: number) => (2 * Math.PI * (u * (p % scale) + v * Math.floor(p / scale))) / scale
      const points = Array.from({ length: scale * scale }, (_, p) => phase(p))
      waves.push({ cos: Float64Array.from(points, Math.cos), sin: Float64Array.from(points, Math.sin) })
    }
  }
  return waves
}

function squaredAmplitude(cell: Float64Array, { cos, sin }: Wave): number {
  let [real, imaginary] = [0, 0]
  for (let p = 0; p < cell.length; p++) {
    real += cos[p]! * cell[p]!
    imaginary += sin[p]! * cell[p]!
  }
  return real * real + imaginary * imaginary
}
