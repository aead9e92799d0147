import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'

export type PixelKind = 'l1' | 'l2' | 'charbonnier'

/** Luma of RGB in [0,1], without offset: ITU-R BT.601 in studio swing, as the PSNR protocol weighs it. */
const LUMA = [65.481 / 255, 128.553 / 255, 24.966 / 255]

/** Where Charbonnier goes over from square to magnitude, for values in [0,1]; Lai et al. 2017 (LapSRN), section 3.3. */
const EPSILON = 1e-3

/**
 * Mean absolute (`l1`) or squared (`l2`) difference over R, G and B, or the mean of √(difference² + ε²), ε = 10⁻³
 * (`charbonnier`); plus `luma` times the same of luma.
 * @param output, target [n,h,w,3] in [0,1]
 */
export function pixelLoss(tf: Tf, output: TF.Tensor4D, target: TF.Tensor4D, kind: PixelKind, luma: number): TF.Scalar {
  const norm = NORMS[kind]
  const difference = tf.sub(output, target)
  const colours = norm(tf, difference).mean()
  if (luma === 0) return colours as TF.Scalar
  const y = tf.matMul(difference.reshape([-1, 3]), tf.tensor2d(LUMA, [3, 1]))
  return tf.add(colours, tf.mul(norm(tf, y).mean(), luma)) as TF.Scalar
}

const NORMS: Record<PixelKind, (tf: Tf, difference: TF.Tensor) => TF.Tensor> = {
  l1: (tf, difference) => tf.abs(difference),
  l2: (tf, difference) => tf.square(difference),
  charbonnier: (tf, difference) => tf.sqrt(tf.add(tf.square(difference), EPSILON ** 2)),
}
