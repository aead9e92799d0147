import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { floats, type Graph, node, scalar } from '../../../export/graph.js'
import { serialize } from '../../../export/onnx.js'
import { measureRanges } from '../../../export/precision/calibrate.js'
import { bytesFor, innerConvolutions, quantizeWeights, roundedValues, toInt8 } from '../../../export/precision/int8.js'
import { toPlanes } from '../../../probe/halo.js'
import { openSession } from '../../../probe/session.js'
import { drawPhoto, random } from '../../support/draw.js'
import { nearestGraph, networkGraph } from '../../support/model.js'
import { optimizedOps } from './optimized.js'

const folder = await mkdtemp(join(tmpdir(), 'uprez-int8-'))
after(() => rm(folder, { recursive: true }))

const photos = [1, 2].map(seed => drawPhoto(24, 20, seed))

/** Convolutions 3×3 of 8 channels with random weights, and what stands between them; `x` and every answer are names. */
function build(
  body: (net: {
    conv(x: string): string
    put(op: string, inputs: string[], attributes?: Graph['nodes'][number]['attributes']): string
  }) => string,
): Graph {
  const graph: Graph = { ...nearestGraph(1), nodes: [], initializers: new Map() }
  const next = random(5)
  const put = (op: string, inputs: string[], attributes = {}) => {
    const name = `${op}${graph.nodes.length}`
    graph.nodes.push(node(op, inputs, [name], attributes))
    return name
  }
  const convolution = (x: string, from: number, to: number) => {
    const index = graph.nodes.length
    graph.initializers.set(
      `k${index}`,
      floats(
        [to, from, 3, 3],
        Array.from({ length: to * from * 9 }, () => (next() - 0.5) / Math.sqrt(from)),
      ),
    )
    graph.initializers.set(
      `b${index}`,
      floats(
        [to],
        Array.from({ length: to }, () => 0.2 * (next() - 0.5)),
      ),
    )
    return put('Conv', [x, `k${index}`, `b${index}`], { pads: { ints: [1, 1, 1, 1] } })
  }
  graph.initializers.set('slopes', floats([8, 1, 1], [0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2]))
  const inner = body({ conv: x => convolution(x, x === 'input' ? 3 : 8, 8), put })
  const last = convolution(inner, 8, 3)
  graph.nodes.push(node('Identity', [last], ['output']))
  return graph
}

const leaky = { alpha: { float: 0.1 } }
const CHAINS: Record<string, { graph: Graph; inner: number; fused: Record<string, number> }> = {
  'leaky ReLUs': {
    graph: build(({ conv, put }) =>
      put('LeakyRelu', [conv(put('LeakyRelu', [conv(put('LeakyRelu', [conv('input')], leaky))], leaky))], leaky),
    ),
    inner: 2,
    // What nobody computes with in bytes is not rounded to them: the last one.
    fused: { QLinearConv: 2, QLinearLeakyRelu: 1, LeakyRelu: 1, QuantizeLinear: 1, DequantizeLinear: 1 },
  },
  ReLUs: {
    graph: build(({ conv, put }) => put('Relu', [conv(put('Relu', [conv(put('Relu', [conv('input')]))]))])),
    inner: 2,
    fused: { QLinearConv: 2, QuantizeLinear: 1, DequantizeLinear: 1 },
  },
  'nothing between': {
    graph: build(({ conv }) => conv(conv(conv('input')))),
    inner: 2,
    fused: { QLinearConv: 2, QuantizeLinear: 1, DequantizeLinear: 1 },
  },
  'residual blocks': {
    graph: build(({ conv, put }) => {
      const first = conv('input')
      const block = (x: string) => put('Add', [conv(put('Relu', [conv(x)])), x])
      return put('Add', [conv(block(block(first))), first])
    }),
    inner: 5,
    fused: { QLinearConv: 5, Add: 3 },
  },
  PReLUs: {
    graph: build(({ conv, put }) => conv(put('PRelu', [conv(put('PRelu', [conv('input'), 'slopes'])), 'slopes']))),
    inner: 2,
    fused: { QLinearConv: 2, PRelu: 2, QuantizeLinear: 2, DequantizeLinear: 2 },
  },
}

for (const [name, { graph, inner, fused }] of Object.entries(CHAINS)) {
  test(`convolutions with ${name}: ONNX Runtime computes those between the first and the last in bytes, and nearly the same`, async () => {
    assert.equal(innerConvolutions(graph).length, inner)
    const small = toInt8(graph, await measureRanges(graph, roundedValues(graph), photos))
    const counts = await optimizedOps(small, join(folder, 'optimized.onnx'))
    assert.deepEqual(Object.fromEntries(Object.keys(fused).map(op => [op, counts[op] ?? 0])), fused)
    const [full, rounded] = [await openSession(serialize(graph)), await openSession(serialize(small))]
    const planes = toPlanes(drawPhoto(24, 20, 3))
    const [expected, got] = [await full.run(planes), await rounded.run(planes)]
    await Promise.all([full.close(), rounded.close()])
    assert.deepEqual(got.dims, expected.dims)
    const signal = Math.sqrt(expected.data.reduce((sum, v) => sum + v * v, 0))
    const noise = Math.sqrt(expected.data.reduce((sum, v, i) => sum + (v - got.data[i]!) ** 2, 0))
    assert.ok(noise > 0 && noise < 0.03 * signal, `noise ${noise}, signal ${signal}`)
  })
}

test('every path from the input to the output keeps its first and its last convolution', () => {
  const graph = networkGraph({ scale: 2, depth: 5, channels: 4 })
  assert.equal(innerConvolutions(graph).length, 3)
  // A second path of one convolution, as from a frozen enlargement: it is both.
  graph.nodes.splice(-1, 0, node('Conv', ['input', 'w0', 'b0'], ['aside']), node('Add', ['sum', 'aside'], ['both']))
  graph.nodes.at(-1)!.inputs[0] = 'both'
  assert.equal(innerConvolutions(graph).length, 3)
  assert.equal(innerConvolutions(networkGraph({ scale: 2, depth: 2, channels: 4 })).length, 0)
})

test('the first and last convolution keep their weights; those in bytes are int8, their biases int32, activations uint8', async () => {
  const graph = networkGraph({ scale: 2, depth: 4, channels: 4 })
  const small = toInt8(graph, await measureRanges(graph, roundedValues(graph), photos))
  const types = new Map([...small.initializers].map(([name, { type }]) => [name, type]))
  const inner = innerConvolutions(graph).map(({ outputs }) => outputs[0]!)
  assert.equal([...types].filter(([name]) => /^w\d+$/.test(name)).length, 2)
  for (const name of inner) {
    assert.deepEqual(
      ['kernel/bytes', 'bias/bytes', 'kernel/scale', 'zero', 'scale'].map(part => types.get(`${name}/${part}`)),
      ['int8', 'int32', 'float32', 'uint8', 'float32'],
    )
    assert.deepEqual(small.initializers.get(`${name}/kernel/scale`)!.dims, [4])
  }
  assert.ok(serialize(small).length > 0 && small.nodes.filter(({ op }) => op === 'Conv').length === 4)
})

const kernels = fc.record({ out: fc.integer({ min: 1, max: 4 }), size: fc.integer({ min: 1, max: 12 }) }).chain(({ out, size }) =>
  fc.record({
    kernel: fc.float32Array({ minLength: out * size, maxLength: out * size, noNaN: true, min: -8, max: 8 }),
    bias: fc.float32Array({ minLength: out, maxLength: out, noNaN: true, min: -1000, max: 1000 }),
    inputScale: fc.float({ min: Math.fround(1e-6), max: 2, noNaN: true }),
  }),
)

test('weights come back within half a step of their channel, biases within half a step, nothing out of range', () => {
  fc.assert(
    fc.property(kernels, ({ kernel, bias, inputScale }) => {
      const rounded = quantizeWeights(kernel, bias, inputScale)
      const size = kernel.length / bias.length
      for (const [i, weight] of kernel.entries()) {
        const scale = rounded.kernelScales[Math.floor(i / size)]!
        assert.ok(Math.abs(rounded.kernel[i]!) <= 63)
        assert.ok(Math.abs(rounded.kernel[i]! * scale - weight) <= 0.5001 * scale)
      }
      for (const [channel, offset] of bias.entries()) {
        const scale = rounded.biasScales[channel]!
        assert.ok(Math.abs(rounded.bias[channel]! * scale - offset) <= 0.5 * scale + 2e-7 * Math.abs(offset))
        assert.ok(Math.abs(scale / (rounded.kernelScales[channel]! * inputScale) - 1) <= 1e-6)
      }
    }),
  )
})

test('bytes hold a range and exactly 0, whichever side of 0 it lies', () => {
  fc.assert(
    fc.property(
      fc.tuple(fc.float({ noNaN: true, min: -1000, max: 1000 }), fc.float({ noNaN: true, min: 0, max: 1000 })),
      ([low, length]) => {
        const high = low + length
        const { scale, zero } = bytesFor({ low, high })
        assert.ok(Number.isInteger(zero) && zero >= 0 && zero <= 255 && scale > 0)
        // The zero point is rounded: up to half a step is lost at one end.
        assert.ok((255 - zero) * scale >= high - 0.5001 * scale && -zero * scale <= low + 0.5001 * scale)
      },
    ),
  )
  assert.equal(bytesFor({ low: 0, high: 0 }).zero, 0)
})

test('ranges are those of all pictures together, of every value that is asked for', async () => {
  const graph = networkGraph({ scale: 2, depth: 4, channels: 4 })
  const values = roundedValues(graph)
  const [first, second, both] = [
    await measureRanges(graph, values, photos.slice(0, 1)),
    await measureRanges(graph, values, photos.slice(1)),
    await measureRanges(graph, values, photos),
  ]
  assert.deepEqual(new Set(both.keys()), values)
  for (const name of values) {
    const [a, b, ab] = [first, second, both].map(ranges => ranges.get(name)!) as [never, never, never] as { low: number; high: number }[]
    assert.deepEqual(ab, { low: Math.min(a!.low, b!.low), high: Math.max(a!.high, b!.high) })
    assert.ok(ab!.low < ab!.high)
  }
  // A graph whose values are known: doubled, then 1 less.
  const known: Graph = {
    ...nearestGraph(1),
    nodes: [node('Mul', ['input', 'two'], ['doubled']), node('Sub', ['doubled', 'one'], ['output'])],
    initializers: new Map([
      ['two', scalar(2)],
      ['one', scalar(1)],
    ]),
  }
  const picture = { ...photos[0]!, data: Uint8Array.from({ length: 24 * 20 * 3 }, (_, i) => 51 + (i % 103)) }
  assert.deepEqual((await measureRanges(known, new Set(['doubled']), [picture])).get('doubled'), {
    low: Math.fround(2 * Math.fround(51 / 255)),
    high: Math.fround(2 * Math.fround(153 / 255)),
  })
})
