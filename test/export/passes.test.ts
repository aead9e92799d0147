import assert from 'node:assert/strict'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import fc from 'fast-check'
import { exportGraph } from '../../export/export.js'
import { type Graph, node } from '../../export/graph.js'
import { dropDead } from '../../export/passes/drop-dead.js'
import { dropIdentities } from '../../export/passes/drop-identities.js'
import { simplify } from '../../export/passes/index.js'
import { readModel } from '../../export/read.js'
import { layersOf } from '../../nets/layers.js'
import { difference, network, tf } from './compare.js'

const { layers } = tf
const conv = (x: TF.SymbolicTensor) => layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same' }).apply(x) as TF.SymbolicTensor
const norm = (x: TF.SymbolicTensor) => layers.batchNormalization({}).apply(x) as TF.SymbolicTensor
const opsOf = (graph: Graph) => graph.nodes.map(n => n.op)

test('a batch normalisation disappears into the convolution before it', async () => {
  const model = network([null, null, 4], x => norm(conv(x)))
  const graph = exportGraph(model)
  assert.deepEqual(opsOf(graph), ['Conv'])
  assert.equal(graph.initializers.size, 2)
  assert.ok((await difference(model, [[6, 5]], graph)) <= 1e-5)
})

test('a batch normalisation disappears into transposed and depthwise convolutions', async () => {
  const transpose = layers.conv2dTranspose({ filters: 3, kernelSize: 4, strides: 2, padding: 'same' })
  const depthwise = layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: 'same' })
  for (const layer of [transpose, depthwise]) {
    const model = network([null, null, 4], x => norm(layer.apply(x) as TF.SymbolicTensor))
    const graph = exportGraph(model)
    assert.equal(graph.nodes.length, 1)
    assert.ok((await difference(model, [[6, 5]], graph)) <= 1e-5)
  }
})

test('a batch normalisation stays where its convolution is needed raw, too', async () => {
  const model = network([null, null, 4], x => {
    const raw = conv(x)
    return layers.add().apply([raw, norm(raw)]) as TF.SymbolicTensor
  })
  const graph = exportGraph(model)
  assert.deepEqual(opsOf(graph), ['Conv', 'BatchNormalization', 'Add'])
  assert.ok((await difference(model, [[6, 5]], graph)) <= 1e-5)
})

test('two normalisations of one shared convolution each fold into their own copy', async () => {
  const shared = layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same' })
  const model = network([null, null, 4], x => norm(shared.apply(norm(shared.apply(x) as TF.SymbolicTensor)) as TF.SymbolicTensor))
  const graph = exportGraph(model)
  assert.deepEqual(opsOf(graph), ['Conv', 'Conv'])
  assert.ok((await difference(model, [[6, 5]], graph)) <= 1e-5)
})

test('a scale and an offset disappear into the convolution before them, and stay where there is none', async () => {
  const affine = (x: TF.SymbolicTensor) => layersOf(tf).affine({ factor: 0.2, offset: -0.5 }).apply(x) as TF.SymbolicTensor
  const behind = network([null, null, 4], x => affine(conv(x)))
  const graph = exportGraph(behind)
  assert.deepEqual(opsOf(graph), ['Conv'])
  assert.equal(graph.initializers.size, 2)
  assert.ok((await difference(behind, [[6, 5]], graph)) <= 1e-5)
  const before = network([null, null, 4], x => conv(affine(x)))
  assert.deepEqual(opsOf(exportGraph(before)), ['Mul', 'Add', 'Conv'])
  assert.ok((await difference(before, [[6, 5]])) <= 1e-5)
})

test('identities go, except from the input straight to the output', () => {
  const empty: Graph = {
    name: 'g',
    inputs: [{ name: 'in', type: 'float32', dims: [1] }],
    outputs: [{ name: 'out', type: 'float32', dims: [1] }],
    nodes: [],
    initializers: new Map(),
    metadata: {},
  }
  const identity = (from: string, to: string) => node('Identity', [from], [to])
  const chain = { ...empty, nodes: [identity('in', 'a'), node('Relu', ['a'], ['b']), identity('b', 'c'), identity('c', 'out')] }
  assert.deepEqual(dropIdentities(chain).nodes, [node('Relu', ['in'], ['out'])])
  const through = { ...empty, nodes: [identity('in', 'a'), identity('a', 'out')] }
  assert.deepEqual(dropIdentities(through).nodes, [identity('in', 'out')])
  const dead = { ...empty, nodes: [node('Relu', ['in'], ['out']), node('Tanh', ['in'], ['nobody'])] }
  assert.deepEqual(opsOf(dropDead(dead)), ['Relu'])
})

/** One step of a random network, from two values made before. tfjs' executor frees a value too early that one layer takes twice. */
const steps: ((a: TF.SymbolicTensor, b: TF.SymbolicTensor) => TF.SymbolicTensor)[] = [
  conv,
  norm,
  a => layers.leakyReLU({ alpha: 0.2 }).apply(a) as TF.SymbolicTensor,
  a => layers.activation({ activation: 'linear' }).apply(a) as TF.SymbolicTensor,
  a => layers.activation({ activation: 'tanh' }).apply(a) as TF.SymbolicTensor,
  (a, b) => (a === b ? conv(a) : (layers.add().apply([a, b]) as TF.SymbolicTensor)),
  (a, b) => (a === b ? norm(a) : conv(layers.concatenate().apply([a, b]) as TF.SymbolicTensor)),
]

test('any network answers the same simplified, as read, and in tfjs; no name is made twice', async () => {
  const plan = fc.array(fc.record({ step: fc.nat(steps.length - 1), back: fc.tuple(fc.nat(3), fc.nat(3)) }), { minLength: 1, maxLength: 9 })
  await fc.assert(
    fc.asyncProperty(plan, async plan => {
      const model = network([null, null, 4], x => {
        const values = [x]
        const ago = (steps: number) => values[Math.max(0, values.length - 1 - steps)]!
        for (const { step, back } of plan) values.push(steps[step]!(ago(back[0]), ago(back[1])))
        return layers.activation({ activation: 'tanh' }).apply(values.at(-1)!) as TF.SymbolicTensor
      })
      const read = readModel(model).graph
      const simple = simplify(read)
      for (const graph of [read, simple]) {
        const made = [...graph.inputs.map(v => v.name), ...graph.initializers.keys(), ...graph.nodes.flatMap(n => n.outputs)]
        assert.equal(new Set(made).size, made.length)
        assert.ok((await difference(model, [[5, 6]], graph)) <= 1e-5)
      }
      assert.ok(!opsOf(simple).includes('Identity'))
      model.dispose()
    }),
    { numRuns: 25, seed: 7 },
  )
})
