import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'

/** The part of the native backend that runs a TensorFlow op by name. */
interface NativeBackend {
  binding: { TF_ATTR_FLOAT: number; TF_ATTR_TYPE: number; TF_ATTR_STRING: number; TF_FLOAT: number }
  executeSingleOutput(op: string, attributes: { name: string; type: number; value: unknown }[], inputs: TF.Tensor[]): TF.Tensor
}

/**
 * leakyReLU(x + bias), NHWC, with a first-order gradient that keeps only the output: its sign tells the slope
 * (alpha must be > 0, or 0 for ReLU; 1 leaves only the bias).
 *
 * tfjs' own bias is a broadcast add and its relu gradient three passes over the map; TensorFlow has a kernel
 * for each, several times faster. wasm's leakyRelu kernel is slow, its prelu kernel is not.
 */
export function biasLeakyRelu(tf: Tf, x: TF.Tensor4D, bias: TF.Tensor1D, alpha: number): TF.Tensor4D {
  const ops = tf.getBackend() === 'tensorflow' ? nativeOps(tf) : portableOps(tf)
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

interface Ops {
  addBias(x: TF.Tensor4D, bias: TF.Tensor1D): TF.Tensor
  leaky(x: TF.Tensor, alpha: number): TF.Tensor
  leakyGradient(dy: TF.Tensor, y: TF.Tensor, alpha: number): TF.Tensor
  biasGradient(dy: TF.Tensor): TF.Tensor
}

function portableOps(tf: Tf): Ops {
  return {
    addBias: (x, bias) => tf.add(x, bias),
    leaky: (x, alpha) => (alpha === 0 ? tf.relu(x) : tf.prelu(x, tf.scalar(alpha).reshape(x.shape.map(() => 1)))),
    leakyGradient: (dy, y, alpha) => tf.mul(dy, tf.step(y, alpha)),
    biasGradient: dy => tf.sum(dy, [0, 1, 2]),
  }
}

function nativeOps(tf: Tf): Ops {
  const backend = tf.backend() as unknown as NativeBackend
  const { TF_ATTR_FLOAT, TF_ATTR_TYPE, TF_FLOAT } = backend.binding
  const float = { name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT }
  const slope = (alpha: number) => ({ name: 'alpha', type: TF_ATTR_FLOAT, value: alpha })
  return {
    addBias: (x, bias) => backend.executeSingleOutput('BiasAdd', [float], [x, bias]),
    leaky: (x, alpha) => backend.executeSingleOutput('LeakyRelu', [float, slope(alpha)], [x]),
    leakyGradient: (dy, y, alpha) => backend.executeSingleOutput('LeakyReluGrad', [float, slope(alpha)], [dy, y]),
    biasGradient: dy => backend.executeSingleOutput('BiasAddGrad', [float], [dy]),
  }
}
