import assert from 'node:assert/strict'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { readModel } from '../../export/read.js'
import { layersOf } from '../../nets/layers.js'
import { difference, networkOf, randomizeWeights, tf } from './compare.js'

const { layers } = tf
type Value = TF.SymbolicTensor

const SIZES = [
  [6, 5],
  [3, 8],
]
const FREE = [null, null, 4]
const conv = (options: object = {}) => layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'tanh', ...options })
const applied = (made: TF.layers.Layer[], x: Value) => made.reduce((value, layer) => layer.apply(value) as Value, x)

async function agrees(model: TF.LayersModel, sizes: number[][] = SIZES): Promise<void> {
  assert.ok((await difference(model, sizes)) <= 1e-5)
  assert.ok((await difference(model, sizes, readModel(model).graph)) <= 1e-5)
}

/** A network to be used as a layer. */
function block(name: string, made: TF.layers.Layer[]): TF.LayersModel {
  const input = tf.input({ shape: FREE, name: `${name}_in` })
  return tf.model({ inputs: input, outputs: applied(made, input), name })
}

test('several inputs and outputs keep their order and get the names of their layers', async () => {
  const picture = tf.input({ shape: FREE, name: 'picture' })
  const style = tf.input({ shape: [4], name: 'style' })
  const styled = layers.multiply().apply([conv().apply(picture) as Value, style]) as Value
  const mean = layers.globalAveragePooling2d({ name: 'mean' }).apply(styled) as Value
  const model = tf.model({ inputs: [style, picture], outputs: [mean, conv({ name: 'face' }).apply(styled) as Value] })
  randomizeWeights(model)
  const { graph } = readModel(model)
  assert.deepEqual(
    [graph.inputs, graph.outputs].map(values => values.map(({ name, dims }) => [name, dims.length])),
    [
      [
        ['style', 2],
        ['picture', 4],
      ],
      [
        ['mean', 2],
        ['face', 4],
      ],
    ],
  )
  await agrees(model)
})

test('an answer that is also used further, and an input handed through', async () => {
  await agrees(
    networkOf([FREE], ([x]) => {
      const first = conv().apply(x!) as Value
      return [first, conv().apply(first) as Value, x!]
    }),
  )
})

test('a layer that is called twice keeps one set of weights', async () => {
  const shared = conv()
  const model = networkOf([FREE], ([x]) => applied([shared, shared], x!))
  assert.equal(readModel(model).graph.initializers.size, 2)
  await agrees(model)
})

test('a layer that is called on values of different dimensions keeps the constants of each', async () => {
  const merge = layers.add()
  const shapes = [[4, 5, 3], [4, 5, 3], [3]]
  await agrees(
    networkOf(shapes, ([a, b, c]) => [merge.apply([a!, c!]) as Value, merge.apply([a!, b!]) as Value]),
    [[]],
  )
  const dot = layers.dot({ axes: -1 })
  await agrees(
    networkOf([[5, 3], [3], [4, 3]], ([a, b, c]) => [
      dot.apply([a!, b!]) as Value,
      dot.apply([b!, a!]) as Value,
      dot.apply([a!, c!]) as Value,
    ]),
    [[]],
  )
})

test('a network used as a layer, twice, keeps one set of weights; its layers are named after it', async () => {
  const inner = block('inner', [conv({ name: 'a' }), layers.batchNormalization({ name: 'b' })])
  const model = networkOf([FREE], ([x]) => applied([inner, conv({ name: 'a' }), inner], x!))
  const { graph } = readModel(model)
  assert.equal([...graph.initializers.keys()].filter(name => name.startsWith('inner/a/')).length, 2)
  assert.ok(graph.nodes.some(({ outputs }) => outputs[0] === 'inner/b/BatchNormalization'))
  await agrees(model)
})

test('networks in networks, and networks of several inputs and outputs', async () => {
  const deep = block('deep', [conv(), block('middle', [conv(), block('core', [conv()])])])
  const values = [tf.input({ shape: FREE }), tf.input({ shape: FREE })]
  const sum = layers.add().apply(values) as Value
  const pair = tf.model({ inputs: values, outputs: [conv().apply(sum) as Value, sum], name: 'pair' })
  await agrees(
    networkOf([FREE, FREE], ([a, b]) => {
      const [first, second] = pair.apply([deep.apply(a!) as Value, b!]) as Value[]
      return pair.apply([second!, deep.apply(first!) as Value]) as Value[]
    }),
  )
})

test('a Sequential alone, in a network, and in a Sequential', async () => {
  const sequence = (name: string, made: TF.layers.Layer[]) => tf.sequential({ name, layers: made })
  const alone = sequence('alone', [conv({ inputShape: FREE }), layers.upSampling2d({})])
  randomizeWeights(alone)
  await agrees(alone)
  const within = networkOf([FREE], ([x]) => applied([sequence('within', [conv({ inputShape: FREE }), layers.reLU()]), conv()], x!))
  await agrees(within)
  const nested = sequence('outer', [sequence('first', [conv({ inputShape: FREE })]), sequence('second', [conv({ inputShape: FREE })])])
  randomizeWeights(nested)
  await agrees(nested)
})

test('layers that are named alike in two networks keep apart', async () => {
  const one = block('one', [conv({ name: 'conv' }), layers.prelu({ sharedAxes: [1, 2], name: 'slope' })])
  const two = block('two', [conv({ name: 'conv' }), layers.prelu({ sharedAxes: [1, 2], name: 'slope' })])
  const model = networkOf([FREE], ([x]) => applied([one, two, conv({ name: 'conv' })], x!))
  assert.equal(readModel(model).graph.initializers.size, 8)
  await agrees(model)
})

test('a layer named like a layer of a network keeps its own weights', async () => {
  const inner = block('inner', [conv({ name: 'conv' })])
  const model = networkOf([FREE], ([x]) => applied([inner, conv({ name: 'inner/conv' })], x!))
  const { graph } = readModel(model)
  assert.equal(graph.initializers.size, 4)
  const made = [...graph.initializers.keys(), ...graph.nodes.flatMap(({ outputs }) => outputs), ...graph.inputs.map(({ name }) => name)]
  assert.equal(new Set(made).size, made.length)
  await agrees(model)
})

test('ops may be given for more classes, or written otherwise', () => {
  const model = networkOf([FREE], ([x]) => applied([layersOf(tf).affine({ factor: 2 })], x!))
  const { graph } = readModel(model, { Affine: call => call.add('Sum', [call.inputs[0]!, call.inputs[0]!]) })
  assert.deepEqual(
    graph.nodes.map(({ op }) => op),
    ['Sum', 'Identity'],
  )
})
