import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'
import { type NativeOp, nativeOp } from './native-ops.js'

export interface Normalized {
  /** (x − mean)/√(variance + ε)·gamma + beta */
  y: TF.Tensor4D
  /** [c] */
  mean: TF.Tensor1D
  /** [c], unbiased: divided by the count less one. */
  variance: TF.Tensor1D
}

/**
 * Batch normalisation in training, NHWC, with its first-order gradient: TensorFlow's fused kernels on the native engine, where tfjs'
 * own gradient takes seventeen times as long. Ioffe & Szegedy, "Batch Normalization", ICML 2015, algorithm 1.
 * @returns tensors for the tidy around the call
 */
export function normalizeBatch(tf: Tf, x: TF.Tensor4D, gamma: TF.Tensor1D, beta: TF.Tensor1D, epsilon: number): Normalized {
  const native = nativeOp(tf)
  const normalize = native ? nativeBatch(tf, native, epsilon) : portable(tf, [0, 1, 2], epsilon)
  // Tensors made inside a customGrad die with it, all but the one that it returns.
  let moments: TF.Tensor[] = []
  const run = tf.customGrad((x, gamma, beta, save) => {
    const { y, mean, variance, saved, gradient } = normalize(x as TF.Tensor4D, gamma as TF.Tensor1D, beta as TF.Tensor1D)
    moments = [tf.keep(mean.flatten()), tf.keep(variance.flatten())]
    ;(save as TF.GradSaveFunc)(saved)
    return { value: y, gradFunc: gradient }
  })
  const y = run(x, gamma, beta) as TF.Tensor4D
  const [mean, variance] = moments.map(moment => {
    const copy = moment.clone()
    moment.dispose()
    return copy as TF.Tensor1D
  })
  return { y, mean: mean!, variance: variance! }
}

/**
 * Every channel of every picture by its own mean and variance, NHWC, with its first-order gradient. Ulyanov et al., "Instance
 * Normalization: The Missing Ingredient for Fast Stylization", 2016, equation 4.
 */
export function normalizeInstance(tf: Tf, x: TF.Tensor4D, gamma: TF.Tensor1D, beta: TF.Tensor1D, epsilon: number): TF.Tensor4D {
  const normalize = portable(tf, [1, 2], epsilon)
  const run = tf.customGrad((x, gamma, beta, save) => {
    const { y, saved, gradient } = normalize(x as TF.Tensor4D, gamma as TF.Tensor1D, beta as TF.Tensor1D)
    ;(save as TF.GradSaveFunc)(saved)
    return { value: y, gradFunc: gradient }
  })
  return run(x, gamma, beta) as TF.Tensor4D
}

type Normalize = (x: TF.Tensor4D, gamma: TF.Tensor1D, beta: TF.Tensor1D) => Forward

interface Forward {
  y: TF.Tensor
  mean: TF.Tensor
  variance: TF.Tensor
  saved: TF.Tensor[]
  /** Of x, gamma and beta. */
  gradient: (dy: TF.Tensor, saved: TF.Tensor[]) => TF.Tensor[]
}

function portable(tf: Tf, axes: number[], epsilon: number): Normalize {
  return (x, gamma, beta) => {
    const mean = tf.mean(x, axes, true)
    const centred = tf.sub(x, mean)
    const variance = tf.mean(tf.square(centred), axes, true)
    const steepness = tf.rsqrt(tf.add(variance, epsilon))
    const unit = tf.mul(centred, steepness)
    const count = x.size / mean.size
    return {
      y: tf.add(tf.mul(unit, gamma), beta),
      mean,
      variance: tf.mul(variance, count / Math.max(1, count - 1)),
      saved: [unit, steepness, gamma],
      gradient: (dy, [unit, steepness, gamma]) => {
        const along = tf.mul(dy, unit!)
        const shared = tf.add(tf.mean(dy, axes, true), tf.mul(unit!, tf.mean(along, axes, true)))
        const dx = tf.mul(tf.sub(dy, shared), tf.mul(steepness!, gamma!))
        return [dx, tf.sum(along, [0, 1, 2]), tf.sum(dy, [0, 1, 2])]
      },
    }
  }
}

function nativeBatch(tf: Tf, run: NativeOp, epsilon: number): Normalize {
  const attributes = { U: 'float32', epsilon: { float: epsilon }, data_format: { string: 'NHWC' }, is_training: { bool: true } } as const
  return (x, gamma, beta) => {
    const none = tf.tensor1d([])
    const [y, mean, variance, ...reserved] = run('FusedBatchNormV3', attributes, [x, gamma, beta, none, none], 6)
    return {
      y: y!,
      mean: mean!,
      variance: variance!,
      saved: [x, gamma, ...reserved],
      gradient: (dy, [x, gamma, ...reserved]) => run('FusedBatchNormGradV3', attributes, [dy, x!, gamma!, ...reserved], 5).slice(0, 3),
    }
  }
}
