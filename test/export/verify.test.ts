import assert from 'node:assert/strict'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { casesFor, sizesFor } from '../../export/cases.js'
import { exportGraph } from '../../export/export.js'
import type { Graph } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { allowed, compareWithTfjs, largestDifference, PARITY_LIMIT, refuseBrokenWeights } from '../../export/verify.js'
import { useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { makeGenerator } from '../../nets/generator.js'
import { layersOf } from '../../nets/layers.js'

const tf = await useEngine('wasm')
const model = makeGenerator(tf, { kind: 'fast', channels: 16, blocks: 2, slope: 0.1, expansion: 24 }, 2, 5)
const claims = { scale: 2, ...networkFacts(model) }
const whole = exportGraph(model)

/** The graph with one number of one weight changed. */
function tampered(change: (value: number) => number, graph: Graph = whole): Graph {
  const [name, constant] = [...graph.initializers].find(([name]) => name.startsWith('block1'))!
  const data = Float32Array.from(constant.data)
  data[0] = change(data[0]!)
  return { ...graph, initializers: new Map(graph.initializers).set(name, { type: 'float32', dims: constant.dims, data }) }
}

const compare = (network: TF.LayersModel, graph = exportGraph(network), about: Partial<typeof claims> = {}) =>
  compareWithTfjs(tf, network, serialize(graph), { sizeMultiple: 1, flopsPerPixel: 1e5, ...about })

test('an untouched graph computes what tfjs computes, and the card tells what was compared', async () => {
  const before = tf.memory().numTensors
  const parity = await compare(model, whole, claims)
  assert.ok(parity.maxDifference > 0 && parity.maxDifference <= 1e-5)
  assert.ok(parity.largestValue! > 0.1)
  assert.match(parity.against, /TensorFlow\.js [\d.]+ \(wasm\), ONNX Runtime [\d.]+ \(cpu\)/)
  assert.ok(parity.sizes.length >= 4)
  assert.ok(parity.sizes.some(([h, w]) => h % 2 === 1 && w % 2 === 1))
  assert.deepEqual(parity.batches, [1, 3])
  assert.deepEqual(parity.inputs, ['noise', 'drawn pictures'])
  assert.equal(tf.memory().numTensors, before, 'nothing is left in memory')
})

test('sizes compared respect a size multiple, a fixed size and a fixed batch', async () => {
  const multiples = await compare(model, whole, { ...claims, sizeMultiple: 2 })
  assert.ok(multiples.sizes.flat().every(n => n % 2 === 0))
  const input = tf.input({ batchShape: [2, 10, 20, 3] })
  const fixed = tf.model({ inputs: input, outputs: model.apply(input) as TF.SymbolicTensor })
  const { sizes, batches } = await compare(fixed, exportGraph(fixed), claims)
  assert.deepEqual([sizes, batches], [[[10, 20]], [2]])
})

test('a dear network is compared on fewer sizes, but never less than three', async () => {
  const sizes = async (flopsPerPixel: number) => (await compare(model, whole, { ...claims, flopsPerPixel })).sizes
  const [cheap, dear, dearest] = [await sizes(1e3), await sizes(5e6), await sizes(1e12)]
  assert.deepEqual(dear, cheap.slice(0, 4))
  assert.deepEqual(dearest, cheap.slice(0, 3))
})

test('where size and batch are fixed, noise and drawn pictures are compared all the same; what takes no pictures gets noise', async () => {
  const input = tf.input({ batchShape: [1, 10, 20, 3] })
  const fixed = tf.model({ inputs: input, outputs: model.apply(input) as TF.SymbolicTensor })
  const { sizes, batches, inputs } = await compare(fixed, exportGraph(fixed), claims)
  assert.deepEqual([sizes, batches, inputs], [[[10, 20]], [1], ['noise', 'drawn pictures']])
  // Only what is below 0 tells them apart, and drawn pictures have none of that.
  const rectified = tf.model({ inputs: input, outputs: tf.layers.reLU().apply(input) as TF.SymbolicTensor })
  const linear = tf.model({ inputs: input, outputs: tf.layers.activation({ activation: 'linear' }).apply(input) as TF.SymbolicTensor })
  await assert.rejects(compare(rectified, exportGraph(linear)), { code: 'parity-failed' })
  const code = tf.input({ batchShape: [1, 5] })
  const dense = tf.model({ inputs: code, outputs: tf.layers.dense({ units: 2 }).apply(code) as TF.SymbolicTensor })
  assert.deepEqual((await compare(dense)).inputs, ['noise'])
})

test('each of two inputs gets noise and drawn pictures', () => {
  const shape = [1, null, null, 3]
  const [a, b] = [tf.input({ batchShape: shape }), tf.input({ batchShape: shape })]
  const sum = tf.model({ inputs: [a, b], outputs: tf.layers.add().apply([a, b]) as TF.SymbolicTensor })
  const cases = [...casesFor(tf, sum, sizesFor(tf, sum, { sizeMultiple: 1, flopsPerPixel: 1 }))]
  for (const k of [0, 1]) {
    const negative = cases.map(({ inputs }) => inputs[k]!.dataSync().some(value => value < 0))
    assert.ok(negative.includes(true) && negative.includes(false))
  }
})

test('a network that takes no small pictures is compared on larger ones', async () => {
  const input = tf.input({ shape: [null, null, 3] })
  const cut = tf.layers.conv2d({ filters: 3, kernelSize: 9 }).apply(input) as TF.SymbolicTensor
  const valid = tf.model({ inputs: input, outputs: tf.layers.conv2d({ filters: 3, kernelSize: 5 }).apply(cut) as TF.SymbolicTensor })
  const mirrored = layersOf(tf).reflectionPadding({ padding: 5 }).apply(input) as TF.SymbolicTensor
  const reflecting = tf.model({
    inputs: input,
    outputs: tf.layers.conv2d({ filters: 3, kernelSize: 11 }).apply(mirrored) as TF.SymbolicTensor,
  })
  for (const [network, least] of [
    [valid, 16],
    [reflecting, 8],
  ] as const) {
    const { sizes, maxDifference } = await compare(network)
    assert.deepEqual(sizes.slice(0, 3), [
      [least, least],
      [least + 6, least + 8],
      [least + 11, least + 9],
    ])
    assert.ok(maxDifference <= 1e-5)
  }
  const far = tf.model({ inputs: input, outputs: layersOf(tf).reflectionPadding({ padding: 300 }).apply(input) as TF.SymbolicTensor })
  await assert.rejects(compare(far), { code: 'unsupported-layer', message: /1 to 256 pixels a side; tfjs says/ })
})

test('a network of small numbers is held to a share of them', async () => {
  const input = tf.input({ shape: [null, null, 3] })
  const small = (value: number) => {
    const kernelInitializer = tf.initializers.constant({ value })
    const layer = tf.layers.conv2d({ filters: 3, kernelSize: 1, kernelInitializer })
    return tf.model({ inputs: input, outputs: layer.apply(input) as TF.SymbolicTensor })
  }
  const { largestValue } = await compare(small(1e-5))
  assert.ok(largestValue! > 0 && largestValue! < 5e-5)
  await assert.rejects(compare(small(1e-5), exportGraph(small(-1e-5))), { code: 'parity-failed' })
  assert.equal((await compare(small(0))).maxDifference, 0)
  assert.deepEqual(
    [[0], [1e-5], [5e-4], [0.5], [-20]].map(values => allowed(values).toPrecision(2)),
    [1e-6, 1e-6, 5e-5, 1e-4, 2e-3].map(limit => limit.toPrecision(2)),
  )
})

test('several inputs and outputs of any rank are compared, each value of each', async () => {
  const picture = tf.input({ shape: [null, null, 3], name: 'picture' })
  const code = tf.input({ shape: [5], name: 'code' })
  const large = tf.layers.conv2d({ filters: 2, kernelSize: 3, padding: 'same', name: 'large' }).apply(picture) as TF.SymbolicTensor
  const words = tf.layers.dense({ units: 4, name: 'words' }).apply(code) as TF.SymbolicTensor
  const network = tf.model({ inputs: [picture, code], outputs: [large, words] })
  const graph = exportGraph(network)
  assert.ok((await compare(network, graph)).maxDifference <= 1e-5)

  const kernel = [...graph.initializers.keys()].find(name => name.startsWith('words') && graph.initializers.get(name)!.dims.length === 2)!
  const { dims, data } = graph.initializers.get(kernel)!
  const shifted = Float32Array.from(data, value => Number(value) + 0.1)
  const wrong = { ...graph, initializers: new Map(graph.initializers).set(kernel, { type: 'float32' as const, dims, data: shifted }) }
  await assert.rejects(compare(network, wrong), { code: 'parity-failed', message: /disagree on words.*--explain/ })
})

test('one changed weight fails loudly, naming the size', async () => {
  await assert.rejects(
    compare(
      model,
      tampered(w => w + 0.05),
      claims,
    ),
    { code: 'parity-failed', message: /output, pictures of \d+×\d+/ },
  )
})

test('an answer of another size than the scale says fails', async () => {
  await assert.rejects(compare(model, whole, { ...claims, scale: 3 }), { code: 'parity-failed', expected: 'an answer of 1×3×3×3' })
})

test('a weight that is no number fails too', async () => {
  await assert.rejects(
    compare(
      model,
      tampered(() => Number.NaN),
      claims,
    ),
    { code: 'parity-failed', got: 'NaN' },
  )
  await assert.rejects(
    compare(
      model,
      tampered(() => Number.POSITIVE_INFINITY),
      claims,
    ),
    { code: 'parity-failed' },
  )
  assert.ok(Number.isNaN(largestDifference([1, Number.NaN, 3], [1, 2, 9])))
})

test('a change too small to see passes, and numbers in the thousands may differ in their seventh digit', async () => {
  const { maxDifference } = await compare(
    model,
    tampered(w => w + 1e-6),
    claims,
  )
  assert.ok(maxDifference <= PARITY_LIMIT)
  const input = tf.input({ shape: [null, null, 3] })
  const thousandfold = tf.layers.conv2d({
    filters: 3,
    kernelSize: 3,
    padding: 'same',
    kernelInitializer: tf.initializers.constant({ value: 1000 }),
  })
  const loud = tf.model({ inputs: input, outputs: thousandfold.apply(input) as TF.SymbolicTensor })
  const { largestValue } = await compare(loud)
  assert.ok(largestValue! > 1000)
})

test('weights that are no numbers are found before anything is run, in nested models too', async () => {
  const input = tf.input({ shape: [null, null, 3] })
  const inner = makeGenerator(tf, { kind: 'fast', channels: 4, blocks: 1, slope: 0.1, expansion: 6 }, 2, 5)
  const outer = tf.model({ inputs: input, outputs: inner.apply(input) as TF.SymbolicTensor })
  await refuseBrokenWeights(outer)
  const weight = inner.layers.find(layer => layer.weights.length > 0)!.weights[0]!
  const values = Float32Array.from(weight.read().dataSync())
  values[3] = Number.NaN
  weight.write(tf.tensor(values, weight.shape as number[]))
  const place = weight.originalName.split('/')[0]!
  await assert.rejects(refuseBrokenWeights(outer), {
    code: 'invalid-weights',
    param: weight.originalName,
    message: new RegExp(`layer ${place} .*NaN at 3 of`),
  })
})
