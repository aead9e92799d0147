import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'
import { type NativeOp, nativeOp } from './native-ops.js'

/**
 * leakyReLU(x + bias), NHWC, with a first-order gradient that keeps only the output: its sign tells the slope
 * (alpha must be > 0, or 0 for ReLU; 1 leaves only the bias).
 *
 * tfjs' own bias is a broadcast add and its relu gradient three passes over the map; TensorFlow has a kernel
 * for each, several times faster. wasm's leakyRelu kernel is slow, its prelu kernel is not.
 */
export function biasLeakyRelu(tf: Tf, x: TF.Tensor4D, bias: TF.Tensor1D, alpha: number): TF.Tensor4D {
  const ops = activationOps(tf)
  const run = tf.customGrad((x, bias, save) => {
    const biased = ops.addBias(x as TF.Tensor4D, bias as TF.Tensor1D)
    const y = alpha === 1 ? biased : ops.leaky(biased, alpha)
    ;(save as TF.GradSaveFunc)([y])
    return {
      value: y,
      gradFunc: (dy: TF.Tensor, saved: TF.Tensor[]) => {
        const dx = alpha === 1 ? dy : ops.leakyGradient(dy, saved[0]!, alpha)
        return [dx, ops.biasGradient(dx)]
      },
    }
  })
  return run(x, bias) as TF.Tensor4D
}

/** The fastest kernels of the engine in use; called inside a customGrad, since tfjs does not know the gradients of these. */
export function activationOps(tf: Tf): ActivationOps {
  const native = nativeOp(tf)
  return native ? nativeOps(native) : portableOps(tf)
}

export interface ActivationOps {
  addBias(x: TF.Tensor4D, bias: TF.Tensor1D): TF.Tensor
  leaky(x: TF.Tensor, alpha: number): TF.Tensor
  leakyGradient(dy: TF.Tensor, y: TF.Tensor, alpha: number): TF.Tensor
  biasGradient(dy: TF.Tensor): TF.Tensor
}

function portableOps(tf: Tf): ActivationOps {
  return {
    addBias: (x, bias) => tf.add(x, bias),
    leaky: (x, alpha) => (alpha === 0 ? tf.relu(x) : tf.prelu(x, tf.scalar(alpha).reshape(x.shape.map(() => 1)))),
    leakyGradient: (dy, y, alpha) => tf.mul(dy, tf.step(y, alpha)),
    biasGradient: dy => tf.sum(dy, [0, 1, 2]),
  }
}

function nativeOps(run: NativeOp): ActivationOps {
  const one = (op: string, inputs: TF.Tensor[], alpha?: number) =>
    run(op, alpha === undefined ? {} : { alpha: { float: alpha } }, inputs)[0]!
  return {
    addBias: (x, bias) => one('BiasAdd', [x, bias]),
    leaky: (x, alpha) => one('LeakyRelu', [x], alpha),
    leakyGradient: (dy, y, alpha) => one('LeakyReluGrad', [dy, y], alpha),
    biasGradient: dy => one('BiasAddGrad', [dy]),
  }
}
