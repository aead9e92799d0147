import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../nets/engine.js'

/** Luma of RGB in [0,1], without offset: ITU-R BT.601 in studio swing, as the PSNR protocol weighs it. */
const LUMA = [65.481 / 255, 128.553 / 255, 24.966 / 255]

/**
 * Mean absolute or squared difference over R, G and B, plus `luma` times the same of luma.
 * @param output, target [n,h,w,3] in [0,1]
 */
export function pixelLoss(tf: Tf, output: TF.Tensor4D, target: TF.Tensor4D, kind: 'l1' | 'l2', luma: number): TF.Scalar {
  const norm = (difference: TF.Tensor) => (kind === 'l1' ? tf.abs(difference) : tf.square(difference)).mean()
  const difference = tf.sub(output, target)
  const colours = norm(difference)
  if (luma === 0) return colours as TF.Scalar
  const y = tf.matMul(difference.reshape([-1, 3]), tf.tensor2d(LUMA, [3, 1]))
  return tf.add(colours, tf.mul(norm(y), luma)) as TF.Scalar
}
