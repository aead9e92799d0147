import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'

/** Low pixels a side, as in the check that measures grids (image/checks.ts). */
const WINDOW = 8

/**
 * What an enlargement imprints with the period of the low side's pixels, as pixel shuffles and transposed convolutions are prone
 * to (Odena, Dumoulin and Olah, "Deconvolution and checkerboard artifacts", Distill 2016). The difference of result and original is
 * folded, window by window, into one cell of scale×scale pixels:
 *
 *      difference                        cell
 *      a b a b a b a b                   ā b̄       each the mean of its letter
 *      c d c d c d c d        ─────►     c̄ d̄
 *      a b a b a b a b
 *      …
 *
 * The loss is the mean absolute deviation within the cells: 0 where no place in the cell is lighter than another. Detail that has not
 * this period averages out, so it is free; an adversarial loss that is glad of any fine structure then cannot be paid with a grid.
 * What remains at the edges of the last whole window is not looked at.
 * @param output, target [n,h,w,c], the low side's size times the scale
 * @returns 0 for a scale of 1, which has no grid
 */
export function gridLoss(tf: Tf, output: TF.Tensor4D, target: TF.Tensor4D, scale: number): TF.Scalar {
  const [n, h, w, c] = output.shape
  const cells = Math.min(WINDOW, Math.floor(h / scale), Math.floor(w / scale))
  const side = cells * scale
  const [rows, columns] = [Math.floor(h / side), Math.floor(w / side)]
  const difference = tf.slice(tf.sub(output, target), [0, 0, 0, 0], [n, rows * side, columns * side, c])
  const lines = difference.reshape([n * rows, cells, scale * columns * side * c]).mean(1)
  const folded = lines.reshape([n * rows * scale * columns, cells, scale * c]).mean(1)
  const cell = folded.reshape([n * rows, scale, columns, scale, c])
  return tf
    .sub(cell, cell.mean([1, 3], true))
    .abs()
    .mean() as TF.Scalar
}
