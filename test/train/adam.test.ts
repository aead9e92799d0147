import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type Tf, useEngine } from '../../nets/engine.js'
import { createAdam, SLOTS } from '../../train/adam.js'
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
    tf.tidy(() =>
      adam.apply(
        gradients.map((values, i) => tf.tensor(values, variables[i]!.shape)),
        0.01 / step,
      ),
    )
    plain.apply(
      gradients.flatMap(values => Array.from(values)),
      0.01 / step,
    )
  }
  assert.equal(tf.memory().numTensors, tensors)
  assert.equal(adam.updates(), 20)
  const now = variables.flatMap(variable => Array.from(variable.dataSync()))
  for (const [i, value] of now.entries()) {
    assert.ok(Math.abs(value - plain.parameters[i]!) < 1e-6)
    assert.ok(Math.abs(adam.slots().averaged.dataSync()[i]! - plain.averaged[i]!) < 1e-6)
  }
})

test('the average is in the network only while the work with it lasts, failing work included', async () => {
  const variable = tf.variable(tf.tensor1d([1, 2]))
  const adam = createAdam(tf, [variable], options)
  for (let i = 0; i < 3; i++) adam.apply([tf.tensor1d([1, -1])], 0.1)
  const trained = Array.from(variable.dataSync())
  const averaged = Array.from(adam.slots().averaged.dataSync())
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
  const gradient = (step: number) => tf.tensor1d([0.1 * step, -0.3, 1 / step])
  const make = () => {
    const variable = tf.variable(start.clone())
    return { variable, adam: createAdam(tf, [variable], options) }
  }
  const straight = make()
  const begun = make()
  for (let step = 1; step <= 6; step++) {
    straight.adam.apply([gradient(step)], 0.01)
    if (step <= 3) begun.adam.apply([gradient(step)], 0.01)
  }
  const values = Object.fromEntries(SLOTS.map(name => [name, begun.adam.slots()[name].dataSync() as Float32Array])) as Record<
    (typeof SLOTS)[number],
    Float32Array
  >
  const resumed = make()
  resumed.adam.restore(values, begun.adam.updates())
  for (let step = 4; step <= 6; step++) resumed.adam.apply([gradient(step)], 0.01)
  assert.deepEqual(resumed.variable.dataSync(), straight.variable.dataSync())
  for (const name of SLOTS) assert.deepEqual(resumed.adam.slots()[name].dataSync(), straight.adam.slots()[name].dataSync())
})

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
