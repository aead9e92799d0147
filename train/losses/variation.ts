import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'

/**
 * Total variation, anisotropic: mean absolute difference between neighbours in a column, plus the same in a row.
 * Rudin, Osher and Fatemi 1992; Johnson et al. 2016, section 3.2.
 * @param output [n,h,w,c], at least 2×2
 */
export function variationLoss(tf: Tf, output: TF.Tensor4D): TF.Scalar {
  const [n, h, w, c] = output.shape
  const down = tf.sub(tf.slice(output, [0, 1, 0, 0], [n, h - 1, w, c]), tf.slice(output, [0, 0, 0, 0], [n, h - 1, w, c]))
  const right = tf.sub(tf.slice(output, [0, 0, 1, 0], [n, h, w - 1, c]), tf.slice(output, [0, 0, 0, 0], [n, h, w - 1, c]))
  return tf.add(tf.abs(down).mean(), tf.abs(right).mean()) as TF.Scalar
}
