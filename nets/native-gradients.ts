import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'
import { type NativeOp, nativeOp } from './native-ops.js'

/**
 * Gradients that tfjs makes in many passes over the map, or of ones that JavaScript fills, made by one or two of TensorFlow's
 * kernels: sum, mean, abs, relu, relu6, leaky relu. All can be differentiated again. Replaces tfjs' gradients for the whole
 * process; nothing on other engines.
 */
export function registerNativeGradients(tf: Tf): void {
  const native = nativeOp(tf)
  if (!native) return
  replace(tf, 'Sum', ['x'], (dy, x, { axis }) => spread(tf, native, dy, x.shape, tf.util.parseAxisParam(axis as number[], x.shape)))
  replace(tf, 'Mean', ['x'], (dy, x, { axis }) => {
    const axes = tf.util.parseAxisParam(axis as number[], x.shape)
    const count = axes.reduce((product, axis) => product * x.shape[axis]!, 1)
    return spread(tf, native, tf.div(dy, count), x.shape, axes)
  })
  replace(tf, 'Abs', ['x'], (dy, x) => tf.mul(dy, tf.sign(x)))
  for (const kernel of ['Relu', 'Relu6', 'LeakyRelu']) {
    replace(tf, kernel, 'output', (dy, y, { alpha }) =>
      masked(tf, dy, dy => native(`${kernel}Grad`, alpha === undefined ? {} : { alpha: { float: alpha as number } }, [dy, y])[0]!),
    )
  }
}

type Attributes = Record<string, unknown>

/** The gradient of a kernel of one input, `x`, made from that input or from the output. */
function replace(
  tf: Tf,
  kernelName: string,
  from: ['x'] | 'output',
  gradient: (dy: TF.Tensor, saved: TF.Tensor, attributes: Attributes) => TF.Tensor,
): void {
  tf.unregisterGradient(kernelName)
  tf.registerGradient({
    kernelName,
    ...(from === 'output' ? { outputsToSave: [true] } : { inputsToSave: from }),
    gradFunc: (dy, [saved], attributes) => ({ x: () => gradient(dy as TF.Tensor, saved!, (attributes ?? {}) as Attributes) }),
  })
}

/** `dy`, of a reduction over `axes`, repeated over the reduced shape; its gradient is that reduction. */
function spread(tf: Tf, native: NativeOp, dy: TF.Tensor, shape: number[], axes: number[]): TF.Tensor {
  const thin = shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
  const run = tf.customGrad(dy => ({
    value: native('BroadcastTo', { Tidx: 'int32' }, [tf.reshape(dy as TF.Tensor, thin), tf.tensor1d(shape, 'int32')])[0]!,
    gradFunc: (ddx: TF.Tensor) => tf.sum(ddx, axes).reshape((dy as TF.Tensor).shape),
  }))
  return run(dy)
}

/** A linear map of `dy` that only scales each number: it is its own gradient. */
function masked(tf: Tf, dy: TF.Tensor, map: (dy: TF.Tensor) => TF.Tensor): TF.Tensor {
  return tf.customGrad(dy => ({ value: map(dy as TF.Tensor), gradFunc: (ddx: TF.Tensor) => masked(tf, ddx, map) }))(dy)
}
