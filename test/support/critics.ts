import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { type CriticConfig, criticSchema, makeCritic } from '../../nets/critic.js'
import { criticLayersOf } from '../../nets/critics/layers.js'
import { type EngineName, type Tf, useEngine } from '../../nets/engine.js'
import { addBias, assertTwiceDifferentiable, constant, leakyRelu } from '../../nets/second-order.js'
import { divideBySpectralNorm, powerIteration } from '../../nets/spectral-norm.js'
import { otherVariables, trainableVariables } from '../../train/adam.js'
import { gradientPenalty } from '../../train/losses/gradient-penalty.js'
import { agreesWithDifferences, filled, numbers } from './differences.js'

const SMALL: { config: CriticConfig; side: number; logits: number[] }[] = [
  { config: { kind: 'srgan', channels: 2, hidden: 5 }, side: 32, logits: [3, 1] },
  { config: { kind: 'patch', channels: 4, levels: 2 }, side: 16, logits: [3, 4, 4, 1] },
  { config: { kind: 'patchgan', channels: 3, levels: 2, norm: 'batch' }, side: 32, logits: [3, 6, 6, 1] },
  { config: { kind: 'patchgan', channels: 3, levels: 2, norm: 'instance' }, side: 32, logits: [3, 6, 6, 1] },
  { config: { kind: 'unet', channels: 3, upsampling: 'bilinear' }, side: 16, logits: [3, 16, 16, 1] },
  { config: { kind: 'unet', channels: 3, upsampling: 'nearest' }, side: 16, logits: [3, 16, 16, 1] },
]

/** What holds of the critics and of second-order gradients on every engine; one test file calls this for one. */
export function testCritics(engine: EngineName, { skip }: { skip: string | false }): void {
  let tf: Tf
  before(async () => {
    if (!skip) tf = await useEngine(engine)
  })
  const name = (what: string) => `${engine}: ${what}`

  for (const slope of [0, 0.2]) {
    test(name(`leaky ReLU of slope ${slope}, its gradient and the gradient of that are right`), { skip }, () => {
      const x = filled(tf, [2, 4, 3, 2], 1)
      const weights = tf.tensor(numbers(x.shape, 2), x.shape)
      const leaky = (x: TF.Tensor) => leakyRelu(tf, x, slope)
      const expected = Array.from(x.dataSync(), value => Math.fround(value > 0 ? value : Math.fround(slope) * value))
      assert.ok(Array.from(leaky(x).dataSync()).every((value, i) => value === expected[i]))
      agreesWithDifferences(tf, x, () => leaky(x))
      // The slope of leaky(x²·w)·x passes through the activation's derivative and must be differentiated again.
      const steepness = () => {
        const gradient = tf.grad(x => leaky(x.square().mul(weights)).mul(x))(x)
        return gradient.square()
      }
      agreesWithDifferences(tf, x, steepness)
    })
  }

  test(name('a bias, its gradient and the gradient of that are right'), { skip }, () => {
    const [x, bias] = [filled(tf, [2, 4, 3, 2], 1), filled(tf, [2], 2)]
    const cube = (bias: TF.Tensor) => addBias(tf, x as TF.Tensor as TF.Tensor4D, bias as TF.Tensor1D).pow(3)
    for (const variable of [x, bias]) {
      agreesWithDifferences(tf, variable, () => cube(bias))
      agreesWithDifferences(tf, variable, () => tf.grad(cube)(bias))
    }
  })

  test(name('no gradient flows through a constant'), { skip }, () => {
    tf.tidy(() => {
      const x = tf.tensor1d([1, -2, 3])
      assert.deepEqual(
        tf
          .grad(x => constant(tf, x.square()).mul(x))(x)
          .dataSync(),
        x.square().dataSync(),
      )
    })
  })

  test(name('power iterations find the largest singular value, and its gradient is right'), { skip }, () => {
    const kernel = filled(tf, [2, 2, 3, 5], 1)
    const matrix = () => tf.reshape(kernel, [12, 5]) as TF.Tensor2D
    const expected = largestSingular(kernel.dataSync(), 5)
    let u = tf.tensor1d(numbers([5], 2))
    for (let i = 0; i < 100; i++) u = tf.tidy(() => powerIteration(tf, matrix(), u).u)
    tf.tidy(() => {
      const { v } = powerIteration(tf, matrix(), u)
      const divided = divideBySpectralNorm(tf, kernel as unknown as TF.Tensor4D, u, v)
      const sigma = kernel.norm().div(divided.norm()).dataSync()[0]!
      assert.ok(Math.abs(sigma - expected.value) < 1e-5 * sigma)
    })
    const divided = () => {
      const next = powerIteration(tf, matrix(), u)
      return divideBySpectralNorm(tf, kernel as unknown as TF.Tensor4D, next.u, next.v)
    }
    agreesWithDifferences(tf, kernel, divided)
  })

  for (const { config, side, logits } of SMALL) {
    const what = Object.values(config).join(' ')

    test(name(`the critic ${what} gives the logits it promises, the same for the same seed, and keeps no tensor`), { skip }, () => {
      const critic = makeCritic(tf, config, side, 7)
      const images = tf.tensor4d(numbers([3, side, side, 3], 1), [3, side, side, 3])
      const tensors = tf.memory().numTensors
      for (const training of [true, false]) tf.tidy(() => assert.deepEqual((critic.apply(images, { training }) as TF.Tensor).shape, logits))
      assert.equal(tf.memory().numTensors, tensors)
      assert.deepEqual(critic.outputs[0]!.shape.slice(1), logits.slice(1))
      const weights = (seed: number) =>
        makeCritic(tf, config, side, seed)
          .getWeights()
          .map(weight => Array.from(weight.dataSync()))
      assert.deepEqual(weights(3), weights(3))
      assert.notDeepEqual(weights(3), weights(4))
    })

    test(name(`the gradient reaches every weight of the critic ${what}`), { skip }, () => {
      const critic = makeCritic(tf, config, side, 7)
      const images = tf.tensor4d(numbers([3, side, side, 3], 1), [3, side, side, 3])
      const spectral = config.kind === 'unet'
      if (spectral) arrive(tf, critic)
      const judge = () => critic.apply(images, { training: !spectral }) as TF.Tensor
      for (const variable of trainableVariables(critic)) agreesWithDifferences(tf, variable, judge, 0.04)
    })
  }

  for (const upsampling of ['bilinear', 'nearest'] as const) {
    test(name(`the gradient penalty's own gradient reaches every kernel of a unet critic that enlarges ${upsampling}`), { skip }, () => {
      const critic = makeCritic(tf, { kind: 'unet', channels: 2, upsampling }, 8, 7)
      arrive(tf, critic)
      const image = (seed: number) => tf.tensor4d(numbers([2, 8, 8, 3], seed), [2, 8, 8, 3])
      const [real, fake, epsilon] = [image(1), image(2), tf.tensor4d([0.2, 0.7], [2, 1, 1, 1])]
      const judge = (images: TF.Tensor4D) => critic.apply(images, { training: false }) as TF.Tensor
      const kernels = trainableVariables(critic).filter(({ rank }) => rank === 4)
      // Steep, so that there is much to penalise; only at the ends, since the others are divided by their norm.
      for (const end of [kernels[0]!, kernels.at(-1)!]) tf.tidy(() => end.assign(end.mul(10)))
      for (const variable of kernels) {
        agreesWithDifferences(tf, variable, () => gradientPenalty(tf, judge, real, fake, epsilon).penalty, 0.02)
      }
    })
  }

  test(name('a critic made again from its description and its weights computes the same'), { skip }, async () => {
    for (const { config, side } of SMALL) {
      const critic = makeCritic(tf, config, side, 7)
      const json = critic.toJSON(null, false) as object
      const again = await tf.models.modelFromJSON({ modelTopology: json as never })
      again.setWeights(critic.getWeights())
      tf.tidy(() => {
        const images = tf.tensor4d(numbers([1, side, side, 3], 1), [1, side, side, 3])
        const logits = (network: TF.LayersModel) => (network.predict(images) as TF.Tensor).dataSync()
        assert.deepEqual(logits(again), logits(critic))
      })
    }
  })

  test(name('a training call makes one power iteration, any other none'), { skip }, () => {
    const critic = makeCritic(tf, { kind: 'unet', channels: 2, upsampling: 'bilinear' }, 16, 1)
    const images = tf.tensor4d(numbers([1, 16, 16, 3], 1), [1, 16, 16, 3])
    const directions = () => otherVariables(critic).map(variable => Array.from(variable.dataSync()))
    const judge = (training: boolean) => tf.dispose(critic.apply(images, { training }) as TF.Tensor)
    assert.equal(directions().length, 8)
    const start = directions()
    judge(false)
    assert.deepEqual(directions(), start)
    judge(true)
    assert.notDeepEqual(directions(), start)
  })

  for (const mode of ['nearest', 'bilinear'] as const) {
    test(name(`${mode} upsampling is that of PyTorch, and its gradient is right`), { skip }, () => {
      const layer = criticLayersOf(tf).upsample({ mode })
      const expected = { nearest: [0, 0, 4, 4, 12, 12], bilinear: [0, 1, 3, 6, 10, 12] }[mode]
      for (const shape of [
        [1, 3, 1, 1],
        [1, 1, 3, 1],
      ]) {
        const line = (layer.apply(tf.tensor([0, 4, 12], shape)) as TF.Tensor).dataSync()
        const along = shape[1] === 3 ? line.filter((_, i) => i % 2 === 0) : line.slice(0, 6)
        assert.deepEqual(Array.from(along), expected)
      }
      const x = filled(tf, [2, 3, 4, 2], 1)
      const enlarge = (x: TF.Tensor) => (layer.apply(x) as TF.Tensor).square()
      agreesWithDifferences(tf, x, () => enlarge(x), 1e-3)
      agreesWithDifferences(tf, x, () => tf.grad(enlarge)(x), 1e-3)
    })
  }

  test(name('the adaptive pool averages windows that cover the map'), { skip }, () => {
    tf.tidy(() => {
      const pool = (values: number[], side: number) => {
        const line = tf.tensor4d(values, [1, values.length, 1, 1])
        const layer = criticLayersOf(tf).adaptivePool({ side })
        return Array.from((layer.apply(tf.tile(line, [1, 1, side, 1])) as TF.Tensor).dataSync()).filter((_, i) => i % side === 0)
      }
      assert.deepEqual(pool([1, 2, 3, 4], 4), [1, 2, 3, 4])
      assert.deepEqual(pool([1, 2, 3, 4], 2), [1.5, 3.5])
      assert.deepEqual(pool([1, 2, 3, 4, 5], 3), [1.5, 3, 4.5])
      assert.deepEqual(pool([1, 2], 4), [1, 1, 2, 2])
    })
    const x = filled(tf, [2, 5, 4, 2], 1)
    const shrink = (x: TF.Tensor) => (criticLayersOf(tf).adaptivePool({ side: 3 }).apply(x) as TF.Tensor).square()
    agreesWithDifferences(tf, x, () => shrink(x), 1e-3)
    agreesWithDifferences(tf, x, () => tf.grad(shrink)(x), 1e-3)
  })

  test(name('no gradient penalty with a critic that cannot be differentiated twice'), { skip }, () => {
    for (const { config, side } of SMALL) {
      const critic = makeCritic(tf, config, side, 1)
      const layer = { srgan: 'norm2', patch: undefined, patchgan: 'norm2', unet: undefined }[config.kind]
      const check = () => assertTwiceDifferentiable(critic)
      if (layer) assert.throws(check, { name: 'UprezError', code: 'invalid-option', got: layer })
      else check()
    }
  })

  test(name('all critics name their layers alike'), { skip }, () => {
    for (const { config, side } of SMALL) {
      const names = makeCritic(tf, config, side, 1).layers.map(({ name }) => name)
      assert.equal(names.at(-1), 'logits')
      for (const name of names) assert.match(name, /^(image|(conv|norm|act|up|skip|dense)\d|(conv\d|logits)_border|pool|flat|logits)$/)
      assert.ok(names.includes('conv2') && names.includes('act2'))
    }
  })

  test(name('a picture that does not fit a critic is refused, and so is a misspelt option'), { skip }, () => {
    const refused = { name: 'UprezError', code: 'invalid-option' }
    assert.throws(() => makeCritic(tf, criticSchema.parse({ kind: 'unet' }), 36, 1), refused)
    assert.throws(() => makeCritic(tf, criticSchema.parse({ kind: 'patchgan' }), 16, 1), refused)
    assert.throws(() => criticSchema.parse({ kind: 'patch', channel: 3 }))
  })
}

/** Puts the power iterations of all layers where they end: there u and v are the constants that algorithm 1 takes them to be. */
function arrive(tf: Tf, critic: TF.LayersModel): void {
  for (const layer of critic.layers.filter(({ nonTrainableWeights }) => nonTrainableWeights.length > 0)) {
    const [kernel, direction] = layer.getWeights()
    layer.setWeights([kernel!, tf.tensor1d(largestSingular(kernel!.dataSync(), direction!.size).vector)])
  }
}

/** Largest singular value and right singular vector of a matrix with so many columns, by the power method in float64. */
function largestSingular(values: ArrayLike<number>, columns: number): { value: number; vector: number[] } {
  const rows = values.length / columns
  let vector = Array.from({ length: columns }, (_, i) => 1 + i / 10)
  let square = 0
  for (let n = 0; n < 2000; n++) {
    const image = Array.from({ length: rows }, (_, r) => vector.reduce((sum, value, c) => sum + values[r * columns + c]! * value, 0))
    const next = vector.map((_, c) => image.reduce((sum, value, r) => sum + values[r * columns + c]! * value, 0))
    square = Math.hypot(...next)
    vector = next.map(value => value / square)
  }
  return { value: Math.sqrt(square), vector }
}
