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
  const sum = tf.customGrad(dy => ({
    value: ops.biasGradient(dy as TF.Tensor),
    gradFunc: (ddb: TF.Tensor) => tf.broadcastTo(ddb, (dy as TF.Tensor).shape),
  }))
  const run = tf.customGrad((x, bias) => ({
    value: ops.addBias(x as TF.Tensor4D, bias as TF.Tensor1D),
    gradFunc: (dy: TF.Tensor) => [dy, sum(dy)],
  }))
  return run(x, bias) as TF.Tensor4D
}

/** x, as a constant: no gradient flows through it. */
export function constant<T extends TF.Tensor>(tf: Tf, x: T): T {
  return tf.customGrad(x => ({ value: (x as T).clone(), gradFunc: (dy: TF.Tensor) => tf.zerosLike(dy) }))(x) as T
}

const fixed = new WeakSet<Tf>()

/**
 * Makes tanh, sigmoid and exp right when differentiated twice, by computing their gradients from the input, and gives the
 * comparisons the gradient that they have: zero. leakyRelu, prelu, maximum, minimum and clip then are right too, and softplus.
 * Replaces tfjs' gradients for the whole process; a second call does nothing.
 */
export function fixGradients(tf: Tf): void {
  if (fixed.has(tf)) return
  fixed.add(tf)
  const fromInput = (kernelName: string, slope: (x: TF.Tensor) => TF.Tensor) =>
    tf.registerGradient({
      kernelName,
      inputsToSave: ['x'],
      gradFunc: (dy, [x]) => ({ x: () => tf.mul(dy as TF.Tensor, slope(x!)) }),
    })
  fromInput(tf.Exp, x => tf.exp(x))
  fromInput(tf.Tanh, x => tf.sub(1, tf.square(tf.tanh(x))))
  // 1 − sigmoid(x), without the cancellation.
  fromInput(tf.Sigmoid, x => tf.mul(tf.sigmoid(x), tf.sigmoid(tf.neg(x))))

  const flat = (kernelName: string, inputs: string[]) =>
    tf.registerGradient({
      kernelName,
      inputsToSave: inputs,
      gradFunc: (_dy, saved) => Object.fromEntries(inputs.map((name, i) => [name, () => tf.zeros(saved[i]!.shape)])),
    })
  for (const name of [tf.Greater, tf.GreaterEqual, tf.Less, tf.LessEqual, tf.Equal, tf.NotEqual, tf.LogicalAnd, tf.LogicalOr]) {
    flat(name, ['a', 'b'])
  }
  flat(tf.LogicalNot, ['x'])
}

/** Layers made of operations that can be differentiated twice; of those with an activation inside, linear and relu. */
const TWICE = [
  'Activation',
  'AdaptiveAveragePooling2D',
  'Add',
  'Concatenate',
  'CriticConv2D',
  'CriticLeakyReLU',
  'Dense',
  'Flatten',
  'InputLayer',
  'Reshape',
  'Upsample2x',
  'ZeroPadding2D',
]

/**
 * Refuses a critic that a gradient penalty cannot be taken of.
 * @throws UprezError `invalid-option` naming the first layer in the way
 */
export function assertTwiceDifferentiable(critic: TF.LayersModel): void {
  for (const layer of critic.layers) {
    const kind = layer.getClassName()
    const { activation = 'linear' } = layer.getConfig() as { activation?: unknown }
    if (TWICE.includes(kind) && (activation === 'linear' || activation === 'relu')) continue
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
