import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import { activationOps } from './bias-leaky-relu.js'
import type { Tf } from './engine.js'

/**
 * What a gradient penalty needs: operations whose gradient can itself be differentiated. tfjs tapes the saved output of an
 * operation before the operation, so a gradient made of saved outputs loses its second derivative without a word
 * (tensorflow/tfjs#3252); and its comparisons have no gradient at all.
 */

/** leakyReLU(x), differentiable any number of times: the slope at each place is a constant, so each derivative is the same map again. */
export function leakyRelu<T extends TF.Tensor>(tf: Tf, x: T, slope: number): T {
  const ops = activationOps(tf)
  const steep = (dy: TF.Tensor, y: TF.Tensor): TF.Tensor =>
    tf.customGrad(dy => ({
      value: ops.leakyGradient(dy as TF.Tensor, y, slope),
      gradFunc: (ddx: TF.Tensor) => steep(ddx, y),
    }))(dy)
  const run = tf.customGrad((x, save) => {
    const y = ops.leaky(x as TF.Tensor, slope)
    ;(save as TF.GradSaveFunc)([y])
    return { value: y, gradFunc: (dy: TF.Tensor, saved: TF.Tensor[]) => steep(dy, saved[0]!) }
  })
  return run(x) as T
}

/** x + bias over the last axis, differentiable any number of times. */
export function addBias(tf: Tf, x: TF.Tensor4D, bias: TF.Tensor1D): TF.Tensor4D {
  const ops = activationOps(tf)
  const run = tf.customGrad((x, bias) => ({
    value: ops.addBias(x as TF.Tensor4D, bias as TF.Tensor1D),
    gradFunc: (dy: TF.Tensor) => [dy, biasGradient(tf, dy)],
  }))
  return run(x, bias) as TF.Tensor4D
}

/** The gradient of a bias, [n,h,w,c] → [c]: the sum over the pixels, differentiable any number of times. */
export function biasGradient(tf: Tf, dy: TF.Tensor): TF.Tensor {
  const ops = activationOps(tf)
  return tf.customGrad(dy => ({
    value: ops.biasGradient(dy as TF.Tensor),
    gradFunc: (ddb: TF.Tensor) => tf.broadcastTo(ddb, (dy as TF.Tensor).shape),
  }))(dy)
}

/** x, as a constant: no gradient flows through it. */
export function constant<T extends TF.Tensor>(tf: Tf, x: T): T {
  return tf.customGrad(x => ({ value: (x as T).clone(), gradFunc: (dy: TF.Tensor) => tf.zerosLike(dy) }))(x) as T
}

/**
 * Layers made of operations that can be differentiated twice: those of patch and unet; and patchgan's border, so that its norms
 * are named as what is in the way.
 */
const TWICE = ['Add', 'CriticConv2D', 'CriticLeakyReLU', 'InputLayer', 'Upsample2x', 'ZeroPadding2D']

/**
 * Refuses a critic that a gradient penalty cannot be taken of.
 * @throws UprezError `invalid-option` naming the first layer in the way
 */
export function assertTwiceDifferentiable(critic: TF.LayersModel): void {
  for (const layer of critic.layers) {
    const kind = layer.getClassName()
    if (TWICE.includes(kind)) continue
    const reason = kind.startsWith('BatchNorm')
      ? 'a batch norm ties the images of a batch together, and the penalty is on the gradient of each image by itself'
      : 'its gradient cannot be differentiated a second time'
    throw new UprezError('invalid-option', `no gradient penalty with this critic: ${layer.name} (${kind}): ${reason}`, {
      param: 'critic.kind',
      expected: 'a critic without such layers, for example patch',
      got: layer.name,
    })
  }
}
