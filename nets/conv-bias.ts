import type * as TF from '@tensorflow/tfjs'
import { biasLeakyRelu } from './bias-leaky-relu.js'
import type { Tf } from './engine.js'
import { type NativeOp, nativeOp } from './native-ops.js'
import { biasGradient } from './second-order.js'

/** oneDNN's convolution adds the bias while it writes the result: one pass over the map less than a convolution and a bias. */
const KERNEL = 'ConvBias'

/**
 * leakyReLU(x ∗ kernel + bias), 'same' convolution of stride 1, NHWC, with its gradient.
 * @param alpha slope below zero; 0: ReLU, 1: none
 */
export function convBiasLeakyRelu(tf: Tf, x: TF.Tensor4D, kernel: TF.Tensor4D, bias: TF.Tensor1D, alpha: number): TF.Tensor4D {
  if (!tf.getKernel(KERNEL, tf.getBackend())) return biasLeakyRelu(tf, tf.conv2d(x, kernel, 1, 'same'), bias, alpha)
  const y = tf.engine().runKernel(KERNEL, { x, kernel, bias }) as TF.Tensor4D
  if (alpha === 1) return y
  return alpha === 0 ? tf.relu(y) : tf.leakyRelu(y, alpha)
}

/** Registers the kernel where it works: on the native engine's CPU, with oneDNN. Once is enough. */
export function registerConvBias(tf: Tf): void {
  if (tf.getKernel(KERNEL, tf.getBackend())) return
  const native = nativeOp(tf)
  const { isUsingGpuDevice } = tf.backend() as unknown as { isUsingGpuDevice?: boolean }
  if (!native || isUsingGpuDevice || !answers(tf, native)) return
  tf.registerKernel({
    kernelName: KERNEL,
    backendName: tf.getBackend(),
    kernelFunc: ({ inputs: { x, kernel, bias } }) => run(native, x as TF.Tensor, kernel as TF.Tensor, bias as TF.Tensor),
  })
  tf.registerGradient({
    kernelName: KERNEL,
    inputsToSave: ['x', 'kernel'],
    gradFunc: (dy, saved) => {
      const attributes = { strides: 1, pad: 'same', dataFormat: 'NHWC', dilations: 1 }
      const { x, filter } = tf.getGradient('Conv2D').gradFunc(dy, saved, attributes as never)
      return { x: x!, kernel: filter!, bias: () => biasGradient(tf, dy as TF.Tensor) }
    },
  })
}

/** The label is how TensorFlow tells oneDNN's kernels from its own. */
function run(native: NativeOp, x: TF.Tensor, kernel: TF.Tensor, bias: TF.Tensor): TF.Tensor {
  const attributes = { strides: { ints: [1, 1, 1, 1] }, padding: { string: 'SAME' }, _kernel: { string: 'MklNameChangeOp' } }
  return native('_MklNativeConv2DWithBias', attributes, [x, kernel, bias])[0]!
}

function answers(tf: Tf, native: NativeOp): boolean {
  try {
    return tf.tidy(() => run(native, tf.zeros([1, 4, 4, 1]), tf.zeros([3, 3, 1, 1]), tf.zeros([1])).size === 16)
  } catch {
    return false
  }
}
