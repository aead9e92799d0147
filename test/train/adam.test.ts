import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { criticLayersOf } from '../../nets/critics/layers.js'
import { type Tf, useEngine } from '../../nets/engine.js'
import { layersOf } from '../../nets/layers.js'
import { type Adam, createAdam, movingStatistics } from '../../train/adam.js'
import { random } from '../support/draw.js'

const options = { beta1: 0.9, beta2: 0.99, epsilon: 1e-6, ema: 0.95 }
let tf: Tf
before(async () => {
  tf = await useEngine('cpu')
})

test('twenty steps agree with Adam and its average written out in float64, and leave no tensor behind', () => {
  const next = random(1)
  const numbers = (size: number) => Float32Array.from({ length: size }, () => 2 * next() - 1)
  const variables = [tf.variable(tf.tensor(numbers(6), [2, 3])), tf.variable(tf.tensor1d(numbers(4)))]
  const statistics = [tf.variable(tf.tensor1d(numbers(3))), tf.variable(tf.tensor1d(numbers(2)))]
  const numbersNow = (held: { dataSync(): Float32Array | Int32Array | Uint8Array }[]) => held.flatMap(one => Array.from(one.dataSync()))
  const adam = createAdam(tf, variables, options, statistics)
  const plain = plainAdam(numbersNow(variables), numbersNow(statistics))
  const tensors = tf.memory().numTensors
  for (let step = 1; step <= 20; step++) {
    const gradients = variables.map(variable => numbers(variable.size))
    const all = gradients.flatMap(values => Array.from(values))
    const norm = tf.tidy(() => {
      for (const statistic of statistics) statistic.assign(tf.tensor1d(numbers(statistic.size)))
      const named = gradients.map((values, i) => [variables[i]!.name, tf.tensor(values, variables[i]!.shape)])
      return adam.apply(adam.flat(Object.fromEntries(named)), 0.01 / step).dataSync()[0]!
    })
    assert.ok(Math.abs(norm - Math.hypot(...all)) < 1e-5)
    plain.apply(all, 0.01 / step, numbersNow(statistics))
  }
  assert.equal(tf.memory().numTensors, tensors)
  assert.equal(adam.updates(), 20)
  const { averaged, averagedStatistics } = numbersOf(adam)
  for (const [now, expected] of [
    [numbersNow(variables), plain.parameters],
    [averaged!, plain.averaged],
    [averagedStatistics!, plain.averagedStatistics],
  ] as const) {
    assert.equal(now.length, expected.length)
    for (const [i, value] of now.entries()) assert.ok(Math.abs(value - expected[i]!) < 1e-6)
  }
})

test('the average is in the network only while the work with it lasts, failing work included', async () => {
  const variable = tf.variable(tf.tensor1d([1, 2]))
  const statistic = tf.variable(tf.tensor1d([0, 1, 0.1]))
  const adam = createAdam(tf, [variable], options, [statistic])
  for (let i = 0; i < 3; i++) {
    tf.tidy(() => {
      statistic.assign(tf.tensor1d([i, 1 / (i + 3), -i]))
      adam.apply(tf.tensor1d([1, -1]), 0.1)
    })
  }
  const held = () => [variable, statistic].map(one => Array.from(one.dataSync()))
  const trained = held()
  const { averaged, averagedStatistics } = adam.slots()
  const averages = [averaged!, averagedStatistics!].map(slot => Array.from(slot.dataSync()))
  for (const [i, average] of averages.entries()) assert.notDeepEqual(average, trained[i])
  const tensors = tf.memory().numTensors
  assert.deepEqual(await adam.withAverage(async () => held()), averages)
  assert.deepEqual(held(), trained)
  await assert.rejects(
    adam.withAverage(() => Promise.reject(new Error('no'))),
    /no/,
  )
  assert.deepEqual(held(), trained)
  assert.equal(tf.memory().numTensors, tensors)
})

test('statistics are those of batch norms, ours and those of tfjs, frozen and in a network inside; no frozen kernel, no vector of a spectral norm', () => {
  const { batchNorm, conv } = layersOf(tf)
  const frozen = (layer: TF.layers.Layer) => Object.assign(layer, { trainable: false })
  const inner = tf.sequential({ name: 'inner', layers: [tf.layers.batchNormalization({ name: 'inside', inputShape: [4, 4, 2] })] })
  const network = tf.sequential({
    layers: [
      tf.layers.inputLayer({ inputShape: [4, 4, 2] }),
      batchNorm({ name: 'ours' }),
      frozen(conv({ name: 'kernel', filters: 2, kernelSize: 3, gain: 1, seed: 1 })),
      inner,
      frozen(batchNorm({ name: 'still' })),
      criticLayersOf(tf).criticConv({
        name: 'spectral',
        filters: 2,
        kernelSize: 3,
        stride: 1,
        padding: 'same',
        bias: true,
        spectral: true,
        seed: 1,
      }),
    ],
  })
  const expected = ['ours', 'inside', 'still'].flatMap(name => [`${name}/moving_mean`, `${name}/moving_variance`])
  assert.deepEqual(
    movingStatistics(network).map(({ name }) => name),
    expected,
  )
})

test('restored slots go on bit for bit', () => {
  const start = tf.tensor1d([0.5, -0.25, 3])
  const make = () => {
    const variable = tf.variable(start.clone())
    const statistic = tf.variable(tf.tensor1d([0, 1]))
    return { variable, statistic, adam: createAdam(tf, [variable], options, [statistic]) }
  }
  const apply = ({ adam, statistic }: ReturnType<typeof make>, step: number) =>
    tf.tidy(() => {
      statistic.assign(tf.tensor1d([0.7 * step, 1 / step]))
      adam.apply(tf.tensor1d([0.1 * step, -0.3, 1 / step]), 0.01)
    })
  const [straight, begun, resumed] = [make(), make(), make()]
  for (let step = 1; step <= 6; step++) {
    apply(straight, step)
    if (step <= 3) apply(begun, step)
  }
  const tensors = tf.memory().numTensors
  resumed.adam.restore(numbersOf(begun.adam), begun.adam.updates())
  assert.equal(tf.memory().numTensors, tensors)
  for (let step = 4; step <= 6; step++) apply(resumed, step)
  assert.deepEqual(resumed.variable.dataSync(), straight.variable.dataSync())
  assert.deepEqual(numbersOf(resumed.adam), numbersOf(straight.adam))
})

test('a gradient longer than the bound is scaled down to it, a shorter one is left alone; the norm told is the one before', () => {
  const bound = 2
  const run = (gradient: number[], clipNorm?: number) => {
    const variable = tf.variable(tf.tensor1d([1, 2]))
    const adam = createAdam(tf, [variable], { ...options, clipNorm })
    const norm = tf.tidy(() => adam.apply(tf.tensor1d(gradient), 0.1).dataSync()[0]!)
    return { norm, moment: Array.from(adam.slots().firstMoment.dataSync()) }
  }
  for (const gradient of [
    [3, -4],
    [300, 400],
    [0.6, 0.8],
    [0, 0],
  ]) {
    const length = Math.hypot(...gradient)
    const { norm, moment } = run(gradient, bound)
    assert.ok(Math.abs(norm - length) <= 1e-6 * length)
    const expected = gradient.map(value => 0.1 * value * Math.min(1, bound / (length || 1)))
    for (const [i, value] of moment.entries()) assert.ok(Math.abs(value - expected[i]!) < 1e-6, `${moment} instead of ${expected}`)
  }
  assert.deepEqual(run([0.6, 0.8], bound).moment, run([0.6, 0.8]).moment)
})

test('clamping bounds the parameters in the network and in the optimizer, and nothing else', () => {
  const variable = tf.variable(tf.tensor1d([0.5, -3, 0.01]))
  const adam = createAdam(tf, [variable], { beta1: 0.9, beta2: 0.99, epsilon: 1e-6 })
  tf.tidy(() => adam.apply(tf.tensor1d([1, 1, 1]), 1e-3))
  const { firstMoment } = numbersOf(adam)
  const tensors = tf.memory().numTensors
  adam.clamp(0.25)
  assert.equal(tf.memory().numTensors, tensors)
  assert.deepEqual(
    Array.from(variable.dataSync()).map(value => Math.abs(value) <= 0.25),
    [true, true, true],
  )
  assert.deepEqual(numbersOf(adam).parameters, variable.dataSync())
  assert.deepEqual(numbersOf(adam).firstMoment, firstMoment)
})

test('without a decay no average is kept, and work with it sees the parameters', async () => {
  const variable = tf.variable(tf.tensor1d([1, 2]))
  const adam = createAdam(tf, [variable], { beta1: 0.9, beta2: 0.99, epsilon: 1e-6 }, [tf.variable(tf.tensor1d([0, 1]))])
  tf.tidy(() => adam.apply(tf.tensor1d([1, -1]), 0.1))
  assert.deepEqual(Object.keys(adam.slots()), ['parameters', 'firstMoment', 'secondMoment'])
  const trained = Array.from(variable.dataSync())
  assert.deepEqual(await adam.withAverage(async () => Array.from(variable.dataSync())), trained)
})

test('an optimizer that begins anew does so from what the network holds', () => {
  const variable = tf.variable(tf.tensor1d([1, 2]))
  const statistic = tf.variable(tf.tensor1d([0, 1]))
  const adam = createAdam(tf, [variable], options, [statistic])
  tf.tidy(() => adam.apply(tf.tensor1d([1, -1]), 0.1))
  variable.assign(tf.tensor1d([7, 8]))
  statistic.assign(tf.tensor1d([3, 4]))
  const tensors = tf.memory().numTensors
  adam.restart()
  assert.equal(tf.memory().numTensors, tensors)
  assert.equal(adam.updates(), 0)
  const zero = new Float32Array(2)
  const now = Float32Array.of(7, 8)
  const averagedStatistics = Float32Array.of(3, 4)
  assert.deepEqual(numbersOf(adam), { parameters: now, firstMoment: zero, secondMoment: zero, averaged: now, averagedStatistics })
})

function numbersOf(adam: Adam): Record<string, Float32Array> {
  return Object.fromEntries(Object.entries(adam.slots()).map(([name, tensor]) => [name, tensor.dataSync().slice()]))
}

/** Kingma & Ba 2015, algorithm 1, and the averages, number by number. */
function plainAdam(start: number[], statistics: number[]) {
  const { beta1, beta2, epsilon, ema } = options
  const parameters = start.slice()
  const averaged = start.slice()
  const averagedStatistics = statistics.slice()
  const [m, v] = [start.map(() => 0), start.map(() => 0)]
  let t = 0
  return {
    parameters,
    averaged,
    averagedStatistics,
    apply(gradient: number[], rate: number, statistics: number[]) {
      t++
      const decay = Math.min(ema, (1 + t) / (10 + t))
      for (const [i, g] of gradient.entries()) {
        m[i] = beta1 * m[i]! + (1 - beta1) * g
        v[i] = beta2 * v[i]! + (1 - beta2) * g * g
        const [m1, v1] = [m[i]! / (1 - beta1 ** t), v[i]! / (1 - beta2 ** t)]
        parameters[i] = parameters[i]! - (rate * m1) / (Math.sqrt(v1) + epsilon)
        averaged[i] = decay * averaged[i]! + (1 - decay) * parameters[i]!
      }
      for (const [i, now] of statistics.entries()) averagedStatistics[i] = decay * averagedStatistics[i]! + (1 - decay) * now
    },
  }
}
