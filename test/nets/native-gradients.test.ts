import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { biasLeakyRelu } from '../../nets/bias-leaky-relu.js'
import { convBiasLeakyRelu } from '../../nets/conv-bias.js'
import { type Tf, useEngine } from '../../nets/engine.js'
import { agreesWithDifferences, filled, numbers } from '../support/differences.js'
import { needsNative } from '../support/native.js'

let tf: Tf
before(async () => {
  if (!needsNative.skip) tf = await useEngine('tensorflow')
})

const SHAPE = [2, 4, 3, 5]
const step = (x: TF.Tensor) => tf.step(x)
/** Each with its derivative, written out. */
const FUNCTIONS: Record<string, { f: (x: TF.Tensor) => TF.Tensor; dx: (dy: TF.Tensor, x: TF.Tensor) => TF.Tensor }> = {
  sum: { f: x => x.sum(), dx: (dy, x) => tf.ones(x.shape).mul(dy) },
  'sum over pixels': { f: x => x.sum([1, 2]), dx: (dy, x) => tf.ones(x.shape).mul(dy.reshape([2, 1, 1, 5])) },
  'sum over channels, kept': { f: x => x.sum(-1, true), dx: (dy, x) => tf.ones(x.shape).mul(dy) },
  mean: { f: x => x.mean(), dx: (dy, x) => tf.ones(x.shape).mul(dy).div(x.size) },
  'mean over pictures and rows': {
    f: x => x.mean([0, 1]),
    dx: (dy, x) =>
      tf
        .ones(x.shape)
        .mul(dy.reshape([1, 1, 3, 5]))
        .div(8),
  },
  abs: { f: x => x.abs(), dx: (dy, x) => dy.mul(step(x).mul(2).sub(1)) },
  relu: { f: x => x.relu(), dx: (dy, x) => dy.mul(step(x)) },
  relu6: {
    f: x => x.mul(10).relu6(),
    dx: (dy, x) =>
      dy
        .mul(10)
        .mul(step(x))
        .mul(step(tf.sub(0.6, x))),
  },
  'leaky relu': { f: x => tf.leakyRelu(x, 0.3), dx: (dy, x) => dy.mul(step(x).mul(0.7).add(0.3)) },
}

for (const [name, { f, dx }] of Object.entries(FUNCTIONS)) {
  test(`tensorflow: the gradient of ${name} is its definition, and can be differentiated again`, needsNative, () => {
    tf.tidy(() => {
      const x = filled(tf, SHAPE, 1)
      const dy = tf.tensor(numbers(f(x).shape, 2), f(x).shape)
      same(tf.grad(f)(x, dy), dx(dy, x), 1e-6)
      // Of the square of a curve with numbers on both sides of 0, so that the gradient depends on x.
      agreesWithDifferences(tf, x, () => tf.grad(x => f(x.square().sub(0.3)).square())(x))
      x.dispose()
    })
  })
}

for (const [kernelSize, slope] of [
  [3, 1],
  [3, 0],
  [5, 0.1],
] as const) {
  const what = `a convolution of ${kernelSize}×${kernelSize} with bias and slope ${slope}`
  test(`tensorflow: ${what} in one kernel is the same as in three, with its gradients`, needsNative, () => {
    tf.tidy(() => {
      const inputs = [[2, 7, 6, 3], [kernelSize, kernelSize, 3, 16], [16]].map((shape, i) => tf.tensor(numbers(shape, i), shape))
      const fused = (...[x, kernel, bias]: TF.Tensor[]) =>
        convBiasLeakyRelu(tf, x as TF.Tensor4D, kernel as TF.Tensor4D, bias as TF.Tensor1D, slope)
      const plain = (...[x, kernel, bias]: TF.Tensor[]) =>
        biasLeakyRelu(tf, tf.conv2d(x as TF.Tensor4D, kernel as TF.Tensor4D, 1, 'same'), bias as TF.Tensor1D, slope)
      same(fused(...inputs), plain(...inputs), 1e-5)
      const dy = tf.tensor(numbers([2, 7, 6, 16], 4), [2, 7, 6, 16])
      const [ours, theirs] = [tf.grads(fused)(inputs, dy), tf.grads(plain)(inputs, dy)]
      for (const [i, gradient] of ours.entries()) same(gradient, theirs[i]!, 1e-4)
    })
  })
}

test('tensorflow: the gradient of a convolution with bias can be differentiated again by its input', needsNative, () => {
  tf.tidy(() => {
    const [x, kernel] = [filled(tf, [2, 5, 4, 2], 1), tf.tensor4d(numbers([3, 3, 2, 4], 2), [3, 3, 2, 4])]
    const bias = tf.tensor1d(numbers([4], 3))
    agreesWithDifferences(tf, x, () => tf.grad(x => convBiasLeakyRelu(tf, x as TF.Tensor4D, kernel, bias, 1).square())(x))
    x.dispose()
  })
})

function same(actual: TF.Tensor, expected: TF.Tensor, tolerance: number): void {
  assert.deepEqual(actual.shape, expected.shape)
  const worst = tf.sub(actual, expected).abs().max().dataSync()[0]!
  assert.ok(worst <= tolerance, `${worst} apart`)
}
