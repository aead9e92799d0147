import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type Tf, useEngine } from '../../nets/engine.js'
import { type Adam, createAdam } from '../../train/adam.js'
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
  const adam = createAdam(tf, variables, options)
  const plain = plainAdam(variables.flatMap(variable => Array.from(variable.dataSync())))
  const tensors = tf.memory().numTensors
  for (let step = 1; step <= 20; step++) {
    const gradients = variables.map(variable => numbers(variable.size))
    const all = gradients.flatMap(values => Array.from(values))
    const norm = tf.tidy(() => {
      const named = gradients.map((values, i) => [variables[i]!.name, tf.tensor(values, variables[i]!.shape)])
      return adam.apply(adam.flat(Object.fromEntries(named)), 0.01 / step).dataSync()[0]!
    })
    assert.ok(Math.abs(norm - Math.hypot(...all)) < 1e-5)
    plain.apply(all, 0.01 / step)
  }
  assert.equal(tf.memory().numTensors, tensors)
  assert.equal(adam.updates(), 20)
  const now = variables.flatMap(variable => Array.from(variable.dataSync()))
  for (const [i, value] of now.entries()) {
    assert.ok(Math.abs(value - plain.parameters[i]!) < 1e-6)
    assert.ok(Math.abs(adam.slots().averaged!.dataSync()[i]! - plain.averaged[i]!) < 1e-6)
  }
})

test('the average is in the network only while the work with it lasts, failing work included', async () => {
  const variable = tf.variable(tf.tensor1d([1, 2]))
  const adam = createAdam(tf, [variable], options)
  for (let i = 0; i < 3; i++) tf.tidy(() => adam.apply(tf.tensor1d([1, -1]), 0.1))
  const trained = Array.from(variable.dataSync())
  const averaged = Array.from(adam.slots().averaged!.dataSync())
  assert.notDeepEqual(averaged, trained)
  assert.deepEqual(await adam.withAverage(async () => Array.from(variable.dataSync())), averaged)
  assert.deepEqual(Array.from(variable.dataSync()), trained)
  await assert.rejects(
    adam.withAverage(() => Promise.reject(new Error('no'))),
    /no/,
  )
  assert.deepEqual(Array.from(variable.dataSync()), trained)
})

test('restored slots go on bit for bit', () => {
  const start = tf.tensor1d([0.5, -0.25, 3])
  const make = () => {
    const variable = tf.variable(start.clone())
    return { variable, adam: createAdam(tf, [variable], options) }
  }
  const apply = (adam: Adam, step: number) => tf.tidy(() => adam.apply(tf.tensor1d([0.1 * step, -0.3, 1 / step]), 0.01))
  const [straight, begun, resumed] = [make(), make(), make()]
  for (let step = 1; step <= 6; step++) {
    apply(straight.adam, step)
    if (step <= 3) apply(begun.adam, step)
  }
  resumed.adam.restore(numbersOf(begun.adam), begun.adam.updates())
  for (let step = 4; step <= 6; step++) apply(resumed.adam, step)
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
  const adam = createAdam(tf, [variable], { beta1: 0.9, beta2: 0.99, epsilon: 1e-6 })
  tf.tidy(() => adam.apply(tf.tensor1d([1, -1]), 0.1))
  assert.deepEqual(Object.keys(adam.slots()), ['parameters', 'firstMoment', 'secondMoment'])
  const trained = Array.from(variable.dataSync())
  assert.deepEqual(await adam.withAverage(async () => Array.from(variable.dataSync())), trained)
})

test('an optimizer that begins anew does so from what the network holds', () => {
  const variable = tf.variable(tf.tensor1d([1, 2]))
  const adam = createAdam(tf, [variable], options)
  tf.tidy(() => adam.apply(tf.tensor1d([1, -1]), 0.1))
  variable.assign(tf.tensor1d([7, 8]))
  const tensors = tf.memory().numTensors
  adam.restart()
  assert.equal(tf.memory().numTensors, tensors)
  assert.equal(adam.updates(), 0)
  const zero = new Float32Array(2)
  const now = Float32Array.of(7, 8)
  assert.deepEqual(numbersOf(adam), { parameters: now, firstMoment: zero, secondMoment: zero, averaged: now })
})

function numbersOf(adam: Adam): Record<string, Float32Array> {
  return Object.fromEntries(Object.entries(adam.slots()).map(([name, tensor]) => [name, tensor.dataSync().slice()]))
}

/** Kingma & Ba 2015, algorithm 1, number by number. */
function plainAdam(start: number[]) {
  const { beta1, beta2, epsilon, ema } = options
  const parameters = start.slice()
  const averaged = start.slice()
  const [m, v] = [start.map(() => 0), start.map(() => 0)]
  let t = 0
  return {
    parameters,
    averaged,
    apply(gradient: number[], rate: number) {
      t++
      const decay = Math.min(ema, (1 + t) / (10 + t))
      for (const [i, g] of gradient.entries()) {
        m[i] = beta1 * m[i]! + (1 - beta1) * g
        v[i] = beta2 * v[i]! + (1 - beta2) * g * g
        const [m1, v1] = [m[i]! / (1 - beta1 ** t), v[i]! / (1 - beta2 ** t)]
        parameters[i] = parameters[i]! - (rate * m1) / (Math.sqrt(v1) + epsilon)
        averaged[i] = decay * averaged[i]! + (1 - decay) * parameters[i]!
      }
    },
  }
}
