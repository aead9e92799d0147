import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exportGraph } from '../../export/export.js'
import type { Graph } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { compareWithTfjs, largestDifference, PARITY_LIMIT } from '../../export/verify.js'
import { useEngine } from '../../nets/engine.js'
import { makeGenerator } from '../../nets/generator.js'

const tf = await useEngine('wasm')
const model = makeGenerator(tf, { kind: 'fast', colours: 3, channels: 16, blocks: 2, slope: 0.1, expansion: 24 }, 2, 5)
const about = { scale: 2, sizeMultiple: 1, fixedSize: null }

/** The graph with one number of one weight changed. */
function tampered(change: (value: number) => number): Graph {
  const graph = exportGraph(model)
  const [name, constant] = [...graph.initializers].find(([name]) => name.startsWith('block1'))!
  const data = Float32Array.from(constant.data)
  data[0] = change(data[0]!)
  return { ...graph, initializers: new Map(graph.initializers).set(name, { type: 'float32', dims: constant.dims, data }) }
}

test('an untouched graph computes what tfjs computes, and the sizes compared are told', async () => {
  const parity = await compareWithTfjs(tf, model, serialize(exportGraph(model)), about)
  assert.ok(parity.maxDifference <= 1e-5)
  assert.match(parity.against, /TensorFlow\.js [\d.]+ \(wasm\), ONNX Runtime [\d.]+ \(cpu\)/)
  assert.ok(parity.sizes.length >= 4)
})

test('sizes compared respect a size multiple and a fixed size', async () => {
  const bytes = serialize(exportGraph(model))
  const multiples = await compareWithTfjs(tf, model, bytes, { ...about, sizeMultiple: 2 })
  assert.ok(multiples.sizes.flat().every(n => n % 2 === 0))
  const fixed = await compareWithTfjs(tf, model, bytes, { ...about, fixedSize: { width: 20, height: 10 } })
  assert.deepEqual(fixed.sizes, [[10, 20]])
})

test('one changed weight fails loudly', async () => {
  const bytes = serialize(tampered(w => w + 0.05))
  await assert.rejects(compareWithTfjs(tf, model, bytes, about), { code: 'parity-failed', message: /32×32/ })
})

test('a weight that is no number fails too', async () => {
  await assert.rejects(compareWithTfjs(tf, model, serialize(tampered(() => Number.NaN)), about), { code: 'parity-failed', got: 'NaN' })
  assert.ok(Number.isNaN(largestDifference([1, Number.NaN, 3], [1, 2, 9])))
})

test('a change too small to see passes', async () => {
  const { maxDifference } = await compareWithTfjs(tf, model, serialize(tampered(w => w + 1e-6)), about)
  assert.ok(maxDifference <= PARITY_LIMIT)
})
