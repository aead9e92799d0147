import type { Image } from './image.js'
import { luma } from './luma.js'
import { type BlockFeatures, blockFeatures, FEATURES } from './niqe-features.js'
import { PRISTINE } from './niqe-model.js'
import { shave as shaved } from './shave.js'
import { quadraticForm } from './symmetric.js'

/** The Gaussian of the block features of undisturbed photographs. */
export interface PristineModel {
  /** 36 numbers. */
  mean: readonly number[]
  /** Of the symmetric 36×36 covariance, each row from the diagonal on: 666 numbers. */
  covariance: readonly number[]
}

/**
 * NIQE (natural image quality evaluator): how far a picture's statistics are from those of photographs; no original is needed,
 * lower is more natural. Mittal, Soundararajan & Bovik 2013, equation 10, on luma (16..235), `shave` pixels left out at each border.
 * Figures compare only with figures of one pristine model: ours is another than the authors', whence the name "NIQE (uprez fit)".
 * @param model the pristine model; default the one that tools/fit-niqe.mjs made
 * @returns null where no block of 96×96 pixels with some texture is left
 */
export function niqe(image: Image, shave = 0, model: PristineModel = PRISTINE): number | null {
  const blocks = blockFeatures(shaved(luma(image), shave))
  if (blocks.length === 0) return null
  const { mean, covariance } = gaussianOf(blocks)
  const pristine = symmetric(model.covariance)
  const between = covariance.map((row, i) => row.map((value, j) => (value + pristine[i]![j]!) / 2))
  return Math.sqrt(
    quadraticForm(
      mean.map((value, i) => value - model.mean[i]!),
      between,
    ),
  )
}

/** Blocks duller than this share of their picture's sharpest teach nothing of undisturbed texture. */
const SHARP = 0.75

/** The blocks of a photograph that a pristine model is fitted to: Mittal et al. 2013, section II-B. */
export function pristineBlocks(photograph: Image): BlockFeatures[] {
  const blocks = blockFeatures(luma(photograph))
  const sharpest = blocks.reduce((most, { sharpness }) => Math.max(most, sharpness), 0)
  return blocks.filter(({ sharpness }) => sharpness > SHARP * sharpest)
}

/** Fits a pristine model to the blocks of many photographs; six digits are kept. */
export function fitPristine(blocks: readonly BlockFeatures[]): PristineModel {
  const { mean, covariance } = gaussianOf(blocks)
  const short = (values: Float64Array) => Array.from(values, value => Number(value.toPrecision(6)))
  return { mean: short(mean), covariance: covariance.flatMap((row, i) => short(row.subarray(i))) }
}

/** Mean and covariance (of n − 1; 0 for a single block). */
function gaussianOf(blocks: readonly BlockFeatures[]): { mean: Float64Array; covariance: Float64Array[] } {
  const mean = new Float64Array(FEATURES)
  for (const { values } of blocks) for (let i = 0; i < FEATURES; i++) mean[i]! += values[i]! / blocks.length
  const covariance = Array.from({ length: FEATURES }, () => new Float64Array(FEATURES))
  for (const { values } of blocks) {
    for (let i = 0; i < FEATURES; i++) {
      const row = covariance[i]!
      const weight = (values[i]! - mean[i]!) / Math.max(1, blocks.length - 1)
      for (let j = 0; j < FEATURES; j++) row[j]! += weight * (values[j]! - mean[j]!)
    }
  }
  return { mean, covariance }
}

function symmetric(triangle: readonly number[]): Float64Array[] {
  const rows = Array.from({ length: FEATURES }, () => new Float64Array(FEATURES))
  let k = 0
  for (let i = 0; i < FEATURES; i++) {
    for (let j = i; j < FEATURES; j++, k++) {
      rows[i]![j] = triangle[k]!
      rows[j]![i] = triangle[k]!
    }
  }
  return rows
}
