import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { exportGraph } from '../../../export/export.js'
import { floats, type Graph, node, scalar } from '../../../export/graph.js'
import { serialize } from '../../../export/onnx.js'
import { fitsHalf, toFloat16 } from '../../../export/precision/fp16.js'
import { largestDifference } from '../../../export/verify.js'
import { fromHalf } from '../../../half.js'
import { makeGenerator } from '../../../nets/generator.js'
import { openSession, type Planes } from '../../../probe/session.js'
import { random } from '../../support/draw.js'
import { SMALL_GENERATORS } from '../../support/generators.js'
import { nearestGraph, networkGraph } from '../../support/model.js'
import { randomizeWeights, tf } from '../compare.js'
import { optimizedOps } from './optimized.js'

async function answer(graph: Graph, planes: Planes): Promise<Planes> {
  const session = await openSession(serialize(graph))
  const result = await session.run(planes)
  await session.close()
  return result
}

function noise(height: number, width: number): Planes {
  const next = random(height * 100 + width)
  return { data: Float32Array.from({ length: 3 * height * width }, next), dims: [1, 3, height, width] }
}

for (const [name, { config, scale }] of Object.entries(SMALL_GENERATORS)) {
  test(`${name} answers in half floats what it answers in float32, to three digits`, async () => {
    const model = makeGenerator(tf, config, scale, 1)
    randomizeWeights(model)
    const graph = exportGraph(model)
    model.dispose()
    const half = toFloat16(graph)
    const picture = noise(8, 12)
    const [expected, got] = [await answer(graph, picture), await answer(half, picture)]
    assert.deepEqual(got.dims, expected.dims)
    const largest = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const difference = largestDifference(expected.data, got.data)
    assert.ok(difference > 0 && difference <= 3e-3 * largest, `${difference} of ${largest}`)
    for (const { inputs } of half.nodes.filter(({ op }) => op.startsWith('Conv'))) {
      assert.ok(inputs.slice(1).every(input => half.initializers.get(input)!.type === 'float16'))
    }
  })
}

test('the ends stay float32, and the file is half as large', () => {
  const graph = networkGraph({ scale: 2, depth: 4, channels: 32 })
  const half = toFloat16(graph)
  assert.deepEqual([half.inputs, half.outputs], [graph.inputs, graph.outputs])
  assert.ok(serialize(half).length < 0.55 * serialize(graph).length)
  const weights = graph.initializers.get('w0')!.data as Float32Array
  const halves = half.initializers.get('w0')!.data as Uint16Array
  for (const [i, weight] of weights.entries()) assert.ok(Math.abs(fromHalf(halves[i]!) - weight) <= 2 ** -11 * Math.abs(weight) + 2 ** -25)
})

test('on a CPU a leaky ReLU stays part of its convolution', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'uprez-fp16-'))
  t.after(() => rm(folder, { recursive: true }))
  const counts = await optimizedOps(toFloat16(networkGraph({ scale: 2, depth: 4, channels: 16 })), join(folder, 'optimized.onnx'))
  assert.deepEqual([counts.Conv, counts.LeakyRelu, counts.Where], [4, undefined, undefined])
})

const through = (nodes: Graph['nodes'], constants: Record<string, ReturnType<typeof floats>> = {}): Graph => ({
  ...nearestGraph(1),
  nodes,
  initializers: new Map(Object.entries(constants)),
})

test('a norm and a mean stay float32, with their constants; a cast stands on either side', async () => {
  const graph = through(
    [
      node('Mul', ['input', 'two'], ['doubled']),
      node('InstanceNormalization', ['doubled', 'gamma', 'beta'], ['normed'], { epsilon: { float: 1e-6 } }),
      node('ReduceMean', ['normed'], ['mean'], { axes: { ints: [2, 3] }, keepdims: { int: 1 } }),
      node('Sub', ['normed', 'mean'], ['output']),
    ],
    { two: scalar(2), gamma: floats([3], [1, 2, 3]), beta: floats([3], [0.1, 0.2, 0.3]) },
  )
  const half = toFloat16(graph)
  assert.deepEqual(
    half.nodes.map(({ op }) => op),
    ['Cast', 'Mul', 'Cast', 'InstanceNormalization', 'ReduceMean', 'Cast', 'Cast', 'Sub', 'Cast'],
  )
  assert.deepEqual(
    ['two', 'gamma', 'beta'].map(name => half.initializers.get(name)!.type),
    ['float16', 'float32', 'float32'],
  )
  const picture = noise(7, 9)
  assert.ok(largestDifference((await answer(graph, picture)).data, (await answer(half, picture)).data) <= 1e-2)
})

test('a layer norm, which is younger than the operators that are quick in half floats, is kept', async () => {
  const [toLast, toFirst] = [{ perm: { ints: [0, 2, 3, 1] } }, { perm: { ints: [0, 3, 1, 2] } }]
  const graph = through(
    [
      node('Transpose', ['input'], ['last'], toLast),
      node('LayerNormalization', ['last', 'gamma', 'beta'], ['normed'], { axis: { int: -1 }, epsilon: { float: 1e-3 } }),
      node('Transpose', ['normed'], ['output'], toFirst),
    ],
    { gamma: floats([3], [1, 2, 3]), beta: floats([3], [0.1, 0.2, 0.3]) },
  )
  const picture = noise(6, 5)
  assert.ok(largestDifference((await answer(graph, picture)).data, (await answer(toFloat16(graph), picture)).data) <= 1e-2)
})

test('numbers that half floats cannot hold stay float32, and so does what reads them', async () => {
  for (const constant of [1e6, 65_520, 1e-6, 2 ** -15]) {
    const graph = through([node('Mul', ['input', 'factor'], ['scaled']), node('Div', ['scaled', 'factor'], ['output'])], {
      factor: scalar(constant),
    })
    const half = toFloat16(graph)
    assert.deepEqual(half.initializers, graph.initializers)
    const picture = noise(4, 4)
    assert.ok(largestDifference((await answer(graph, picture)).data, (await answer(half, picture)).data) <= 1e-3)
  }
  assert.ok(fitsHalf(Float32Array.of(65_504, 0, 1e-9)) && fitsHalf(Float32Array.of(0)) && fitsHalf(Float32Array.of(-(2 ** -14))))
})

test('a constant that is read in both types is there in both', async () => {
  const graph = through(
    [
      node('Mul', ['input', 'gamma'], ['scaled']),
      node('Mul', ['vector', 'gamma_vector'], ['weights']),
      node('InstanceNormalization', ['scaled', 'vector', 'vector'], ['normed'], { epsilon: { float: 1e-3 } }),
      node('Reshape', ['weights', 'shape'], ['columns']),
      node('Add', ['normed', 'columns'], ['output']),
    ],
    { gamma: scalar(3), gamma_vector: scalar(0.5), vector: floats([3], [1, 2, 3]) },
  )
  graph.initializers.set('shape', { type: 'int64', dims: [4], data: [1, 3, 1, 1] })
  const half = toFloat16(graph)
  assert.deepEqual(
    ['vector', 'vector/float32', 'shape'].map(name => half.initializers.get(name)!.type),
    ['float16', 'float32', 'int64'],
  )
  const picture = noise(6, 5)
  assert.ok(largestDifference((await answer(graph, picture)).data, (await answer(half, picture)).data) <= 1e-2)
})

test('Resize keeps its scales, and sizes that a graph computes stay whole numbers', async () => {
  const graph = through(
    [
      node('Resize', ['input', '', 'scales'], ['large'], { mode: { string: 'linear' } }),
      node('Shape', ['input'], ['sizes']),
      node('Cast', ['sizes'], ['numbers'], { to: { int: 1 } }),
      node('Cast', ['numbers'], ['whole'], { to: { int: 7 } }),
      node('Resize', ['large', '', '', 'whole'], ['output'], { mode: { string: 'nearest' } }),
    ],
    { scales: floats([4], [1, 1, 2, 2]) },
  )
  const half = toFloat16(graph)
  assert.equal(half.initializers.get('scales')!.type, 'float32')
  const picture = noise(5, 6)
  const [expected, got] = [await answer(graph, picture), await answer(half, picture)]
  assert.deepEqual(got.dims, expected.dims)
  assert.ok(largestDifference(expected.data, got.data) <= 1e-3)
})
