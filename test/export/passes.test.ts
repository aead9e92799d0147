import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type * as TF from '@tensorflow/tfjs'
import { Command } from 'commander'
import fc from 'fast-check'
import { addExportCommand } from '../../export/command.js'
import { exportGraph } from '../../export/export.js'
import { type Graph, node } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { PASSES, simplify } from '../../export/passes/index.js'
import { type Reading, readModel } from '../../export/read.js'
import { largestDifference } from '../../export/verify.js'
import { findModel } from '../../models/catalog.js'
import { networkFacts } from '../../nets/facts.js'
import { makeGenerator } from '../../nets/generator.js'
import { layersOf } from '../../nets/layers.js'
import { loadModel, saveModel } from '../../nets/model-files.js'
import { openSession } from '../../probe/session.js'
import { SMALL_GENERATORS } from '../support/generators.js'
import { difference, network, randomizeWeights, tf } from './compare.js'
import { opsOf } from './passes/sketch.js'

const { layers } = tf
type Value = TF.SymbolicTensor
type ConvOptions = Partial<Parameters<typeof layers.conv2d>[0]>
const conv = (x: Value, options: ConvOptions = {}) =>
  layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', ...options }).apply(x) as Value
const point = (x: Value, options: ConvOptions = {}) => conv(x, { kernelSize: 1, ...options })
const norm = (x: Value) => layers.batchNormalization({}).apply(x) as Value
const sum = (...values: Value[]) => layers.add().apply(values) as Value
const activation = (x: Value, name: 'relu' | 'tanh' | 'linear') => layers.activation({ activation: name }).apply(x) as Value
const zeros = (x: Value) => layers.zeroPadding2d({ padding: 1 }).apply(x) as Value
const flat = (x: Value) => layers.flatten().apply(x) as Value
const dense = (x: Value, units: number) => layers.dense({ units }).apply(x) as Value

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
    const model = network([null, null, 4], x => norm(layer.apply(x) as Value))
    const graph = exportGraph(model)
    assert.equal(graph.nodes.length, 1)
    assert.ok((await difference(model, [[6, 5]], graph)) <= 1e-5)
  }
})

test('a batch normalisation stays where its convolution is needed raw, too', async () => {
  const model = network([null, null, 4], x => {
    const raw = conv(x)
    return layers.add().apply([raw, norm(raw)]) as Value
  })
  const graph = exportGraph(model)
  assert.deepEqual(opsOf(graph), ['Conv', 'BatchNormalization', 'Add'])
  assert.ok((await difference(model, [[6, 5]], graph)) <= 1e-5)
})

test('two normalisations of one shared convolution each fold into their own copy', async () => {
  const shared = layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same' })
  const model = network([null, null, 4], x => norm(shared.apply(norm(shared.apply(x) as Value)) as Value))
  const graph = exportGraph(model)
  assert.deepEqual(opsOf(graph), ['Conv', 'Conv'])
  assert.ok((await difference(model, [[6, 5]], graph)) <= 1e-5)
})

test('a scale and an offset disappear into the convolution before them, and stay where there is none', async () => {
  const affine = (x: Value) => layersOf(tf).affine({ factor: 0.2, offset: -0.5 }).apply(x) as Value
  const behind = network([null, null, 4], x => affine(conv(x)))
  const graph = exportGraph(behind)
  assert.deepEqual(opsOf(graph), ['Conv'])
  assert.equal(graph.initializers.size, 2)
  assert.ok((await difference(behind, [[6, 5]], graph)) <= 1e-5)
  const before = network([null, null, 4], x => conv(affine(x)))
  assert.deepEqual(opsOf(exportGraph(before)), ['Mul', 'Add', 'Conv'])
  assert.ok((await difference(before, [[6, 5]])) <= 1e-5)
})

/** The block of RepVGG as it is trained; it needs to be known twice what comes in. */
const repVgg = (x: Value) => activation(sum(norm(conv(x, { useBias: false })), norm(point(x, { useBias: false })), norm(x)), 'relu')

/** Of ECBSR: the borders that the 3×3 sees are those of the picture, shifted as its inside is. */
function ecb(x: Value): Value {
  const depthwise = layers.depthwiseConv2d({ kernelSize: 3, padding: 'valid' })
  const expanded = conv(point(zeros(x), { filters: 8 }), { padding: 'valid' })
  return activation(sum(conv(x), expanded, depthwise.apply(point(zeros(x))) as Value, x), 'relu')
}

test('a network of branches becomes a plain chain, each pass leading to the next', async () => {
  for (const block of [repVgg, ecb]) {
    const model = network([null, null, 4], x => block(block(x)))
    const { graph, applied } = simplify(readModel(model).graph)
    assert.deepEqual(opsOf(graph), ['Conv', 'Relu', 'Conv', 'Relu'])
    assert.equal(graph.initializers.size, 4)
    assert.ok(applied.includes('merge-branches'))
    assert.ok((await difference(model, [[6, 5]], graph)) <= 2e-5)
  }
})

test('a classifier takes its pictures as they lie', async () => {
  const model = network([6, 5, 4], x => dense(norm(dense(flat(activation(conv(zeros(x), { padding: 'valid' }), 'relu')), 7)), 3))
  const { graph, applied } = simplify(readModel(model).graph)
  assert.deepEqual(opsOf(graph), ['Conv', 'Relu', 'Flatten', 'Gemm', 'Gemm'])
  assert.deepEqual(applied, ['drop-identities', 'fold-flatten', 'fold-pads', 'fold-affine'])
  assert.ok((await difference(model, [[]], graph)) <= 2e-5)
})

test('passes that are left out do not run, those that find nothing to do are not named', () => {
  const { graph } = readModel(network([null, null, 4], x => norm(conv(x))))
  assert.deepEqual(simplify(graph).applied, ['drop-identities', 'fold-affine'])
  const without = simplify(graph, { without: ['fold-affine'] })
  assert.deepEqual([opsOf(without.graph), without.applied], [['Conv', 'BatchNormalization'], ['drop-identities']])
  assert.deepEqual(simplify(without.graph).applied, ['fold-affine'])
  const none = simplify({ ...graph, nodes: [...graph.nodes, node('Relu', ['input'], ['nobody'])] }, { without: Object.keys(PASSES) })
  assert.deepEqual([opsOf(none.graph), none.applied], [['Conv', 'BatchNormalization', 'Identity'], []])
})

test('each pass that did something is shown, with what it made', () => {
  const { graph } = readModel(network([null, null, 4], x => norm(conv(x))))
  const seen: [string, string[]][] = []
  simplify(graph, { watch: (pass, graph) => seen.push([pass, opsOf(graph)]) })
  assert.deepEqual(seen, [
    ['drop-identities', ['Conv', 'BatchNormalization']],
    ['fold-affine', ['Conv']],
  ])
})

test('a pass that is not known is refused with the nearest, before any work', async () => {
  const refused = { code: 'invalid-option', param: 'without', got: 'fold-afine', message: /Did you mean fold-affine\?/ }
  assert.throws(() => simplify(exportGraph(network([null, null, 4], conv)), { without: ['fold-afine'] }), refused)
})

/** One step of a random network, from two values made before. tfjs' executor frees a value too early that one layer takes twice. */
const steps: ((a: Value, b: Value) => Value)[] = [
  a => conv(a),
  a => conv(a, { strides: 1, dilationRate: 2 }),
  norm,
  a => layers.leakyReLU({ alpha: 0.2 }).apply(a) as Value,
  a => activation(a, 'linear'),
  a => activation(a, 'tanh'),
  (a, b) => (a === b ? conv(a) : sum(a, b)),
  (a, b) => (a === b ? norm(a) : conv(layers.concatenate().apply([a, b]) as Value)),
  (a, b) => (a === b ? sum(conv(a), point(a)) : sum(conv(a), b, point(a))),
  a => sum(conv(a), a),
  repVgg,
  ecb,
  a => point(point(a, { filters: 9 })),
  a => conv(point(a, { filters: 9, useBias: false })),
  a => conv(zeros(a), { padding: 'valid' }),
  a => layersOf(tf).affine({ factor: 0.5, offset: 0.1 }).apply(a) as Value,
  a => layers.prelu({ sharedAxes: [1, 2, 3] }).apply(a) as Value,
  a => layers.separableConv2d({ filters: 4, kernelSize: 3, padding: 'same' }).apply(a) as Value,
  a => layers.permute({ dims: [1, 3, 2] }).apply(layers.permute({ dims: [1, 3, 2] }).apply(a)) as Value,
  a => dense(a, 4),
]

const ends: ((x: Value) => Value)[] = [
  x => activation(x, 'tanh'),
  x => dense(flat(x), 3),
  x => norm(dense(activation(flat(x), 'tanh'), 5)),
  x => dense(layers.reshape({ targetShape: [6, 20] }).apply(x) as Value, 3),
]

test('any network answers the same in tfjs, as read, and after any passes; a value that keeps its name is the same', async () => {
  const step = fc.record({ step: fc.nat(steps.length - 1), back: fc.tuple(fc.nat(3), fc.nat(3)) })
  const plan = fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 7 }),
    end: fc.nat(ends.length - 1),
    without: fc.option(fc.subarray(Object.keys(PASSES)), { nil: [] as string[] }),
  })
  await fc.assert(
    fc.asyncProperty(plan, async plan => {
      const model = network([5, 6, 4], x => {
        const values = [x]
        const ago = (steps: number) => values[Math.max(0, values.length - 1 - steps)]!
        for (const { step, back } of plan.steps) values.push(steps[step]!(ago(back[0]), ago(back[1])))
        return ends[plan.end]!(values.at(-1)!)
      })
      const reading = readModel(model)
      const { graph } = simplify(reading.graph, { without: plan.without })
      for (const { inputs, initializers, nodes } of [reading.graph, graph]) {
        const made = [...inputs.map(v => v.name), ...initializers.keys(), ...nodes.flatMap(n => n.outputs)]
        assert.equal(new Set(made).size, made.length)
        const read = new Set(nodes.flatMap(n => n.inputs))
        assert.ok([...initializers.keys()].every(name => read.has(name)))
      }
      assert.ok((await difference(model, [[]], graph)) <= 1e-4)
      await sameByName(reading, graph)
      assert.ok(plan.without.includes('drop-identities') || !opsOf(graph).includes('Identity'))
      model.dispose()
    }),
    { numRuns: 40, seed: 7 },
  )
})

/** Both graphs with every value as an output that both have and that a layer answers. */
async function sameByName({ graph, origins }: Reading, simple: Graph): Promise<void> {
  const kept = new Set(simple.nodes.flatMap(n => n.outputs))
  const outputs = graph.nodes
    .flatMap(n => n.outputs)
    .filter(name => origins.has(name) && kept.has(name))
    .map(name => ({ name, type: 'float32' as const, dims: origins.get(name)!.shape.map((_, axis) => `${name}_${axis}`) }))
  const x = { dims: [2, 4, 5, 6], data: Float32Array.from({ length: 240 }, (_, i) => Math.sin(i)) }
  const answers = []
  for (const one of [graph, simple]) {
    const session = await openSession(serialize({ ...one, outputs: [...one.outputs, ...outputs] }))
    answers.push(await session.runAll([x]))
    await session.close()
  }
  const [want, got] = answers as [(typeof answers)[0], (typeof answers)[0]]
  for (const [i, { data, dims }] of want.entries()) {
    assert.deepEqual(got[i]!.dims, dims)
    const most = data.reduce((most, v) => Math.max(most, Math.abs(v)), 1)
    assert.ok(largestDifference(data, got[i]!.data) <= 1e-5 * most, outputs[i - 1]?.name)
  }
}

test('the same weights become the same bytes, and in another process, too', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'uprez-passes-'))
  try {
    const { config, scale } = SMALL_GENERATORS['srresnet ×4']!
    const model = makeGenerator(tf, config, scale, 1)
    randomizeWeights(model)
    await saveModel(model, folder)
    const sums = [exportGraph(model), exportGraph(model), exportGraph(await loadModel(tf, folder))].map(graph =>
      createHash('sha256').update(serialize(graph)).digest('hex'),
    )
    sums.push((await promisify(execFile)(process.execPath, ['--input-type=module', '-e', elsewhere(folder)])).stdout.trim())
    assert.deepEqual(sums, Array(4).fill(sums[0]))
  } finally {
    await rm(folder, { recursive: true })
  }
})

function elsewhere(folder: string): string {
  const from = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).href)
  return `
    import { createHash } from 'node:crypto'
    import { exportGraph } from ${from('export/export.js')}
    import { serialize } from ${from('export/onnx.js')}
    import { useEngine } from ${from('nets/engine.js')}
    import { loadModel } from ${from('nets/model-files.js')}
    const tf = await useEngine('wasm')
    const graph = exportGraph(await loadModel(tf, ${JSON.stringify(folder)}))
    console.log(createHash('sha256').update(serialize(graph)).digest('hex'))
    process.exit()`
}

test('the card names the passes that did something; --without leaves some out', async t => {
  t.mock.method(console, 'log', () => {})
  t.mock.method(console, 'error', () => {})
  const folder = await mkdtemp(join(tmpdir(), 'uprez-passes-'))
  try {
    const { config, scale } = SMALL_GENERATORS['srvgg ×2']!
    const model = makeGenerator(tf, config, scale, 1)
    const training = { preset: 'tiny', overrides: {}, steps: 1, seed: 1, engine: 'cpu', data: [], featureLoss: null }
    const [run, output] = [join(folder, 'run'), join(folder, 'model')]
    await saveModel(model, join(run, 'generator'), { 'about.json': JSON.stringify({ scale, ...networkFacts(model), training }) })
    const uprez = (...options: string[]) => {
      const program = new Command().exitOverride()
      addExportCommand(program)
      return program.parseAsync(['export', run, '-o', output, ...options], { from: 'user' })
    }
    await assert.rejects(uprez('--without', 'unify-slope'), { code: 'invalid-option', message: /Did you mean unify-slopes\?/ })
    await uprez()
    assert.deepEqual((await findModel(output)).card.passes, ['drop-identities', 'unify-slopes'])
    await uprez('--without', 'fold-affine', 'unify-slopes')
    assert.deepEqual((await findModel(output)).card.passes, ['drop-identities'])
  } finally {
    await rm(folder, { recursive: true })
  }
})
