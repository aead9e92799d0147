import assert from 'node:assert/strict'
import { type Attribute, type Constant, floats, type Graph, node } from '../../../export/graph.js'
import { serialize } from '../../../export/onnx.js'
import { largestDifference } from '../../../export/verify.js'
import { openSession } from '../../../probe/session.js'
import { random } from '../../support/draw.js'

interface ConvOptions {
  ins?: number
  outs?: number
  kernel?: number | [number, number]
  pads?: number[]
  strides?: number[]
  dilations?: number[]
  group?: number
  /** Default: random; null: the node has none. */
  bias?: number[] | null
  auto?: string
}

/** A graph drawn by hand: of one input `x`, pictures of four channels unless told otherwise. */
export function sketch(dims: (number | string)[] = ['batch', 4, 'height', 'width']) {
  const next = random(3)
  const noise = (...dims: number[]) =>
    floats(
      dims,
      Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => next() * 2 - 1),
    )
  const graph: Graph = {
    name: 'sketch',
    inputs: [{ name: 'x', type: 'float32', dims }],
    outputs: [],
    nodes: [],
    initializers: new Map(),
    metadata: {},
  }
  const self = {
    noise,
    add(op: string, inputs: string[], attributes: Record<string, Attribute> = {}): string {
      const output = `${op.toLowerCase()}${graph.nodes.length}`
      graph.nodes.push(node(op, inputs, [output], attributes))
      return output
    },
    constant(constant: Constant, name = `c${graph.initializers.size}`): string {
      graph.initializers.set(name, constant)
      return name
    },
    conv(x: string, options: ConvOptions = {}): string {
      const { ins = 4, outs = 4, kernel = 3, pads = [1, 1, 1, 1], strides = [1, 1], dilations = [1, 1], group = 1, bias, auto } = options
      const [height, width] = [kernel].flat().concat(kernel) as [number, number]
      const weights = [self.constant(noise(outs, ins / group, height, width))]
      if (bias !== null) weights.push(self.constant(bias ? floats([bias.length], bias) : noise(outs)))
      return self.add('Conv', [x, ...weights], {
        kernel_shape: { ints: [height, width] },
        strides: { ints: strides },
        dilations: { ints: dilations },
        ...(auto ? { auto_pad: { string: auto } } : { pads: { ints: pads } }),
        group: { int: group },
      })
    },
    norm(x: string, channels = 4): string {
      const positive = (): Constant => floats([channels], Float32Array.from(noise(channels).data, Math.abs))
      const inputs = [noise(channels), noise(channels), noise(channels), positive()].map(constant => self.constant(constant))
      return self.add('BatchNormalization', [x, ...inputs], { epsilon: { float: 0.01 } })
    },
    /** The graph that answers with these values, of so many dimensions each. */
    graph(values: string[], rank = 4): Graph {
      const outputs = values.map((name, i) => ({
        name,
        type: 'float32' as const,
        dims: Array.from({ length: rank }, (_, k) => `y${i}_${k}`),
      }))
      return { ...graph, outputs }
    },
  }
  return self
}

/** 1×1, without pads. */
export const POINT = { kernel: 1, pads: [0, 0, 0, 0] }

export const opsOf = (graph: Graph): string[] => graph.nodes.map(n => n.op)

/** The pass makes these nodes of the graph, no constant is left over, and the answers stay. */
export async function becomes(graph: Graph, pass: (graph: Graph) => Graph, ops: string[]): Promise<Graph> {
  const before = structuredClone(graph)
  const result = pass(graph)
  assert.deepEqual(graph, before, 'a pass works on a copy')
  assert.deepEqual(opsOf(result), ops)
  const read = new Set(result.nodes.flatMap(n => n.inputs))
  assert.deepEqual(
    [...result.initializers.keys()].filter(name => !read.has(name)),
    [],
  )
  await answerAlike(graph, result)
  return result
}

/** The pass leaves the graph as it is. */
export function stays(graph: Graph, pass: (graph: Graph) => Graph): void {
  assert.equal(pass(graph), graph)
}

/** Both graphs, in ONNX Runtime, on the same numbers at two sizes. */
async function answerAlike(a: Graph, b: Graph): Promise<void> {
  const sessions = [await openSession(serialize(a)), await openSession(serialize(b))] as const
  for (const [batch, ...sides] of [
    [2, 7, 6],
    [1, 8, 9],
  ]) {
    const free = sides.values()
    const dims = a.inputs[0]!.dims.map((size, axis) => (typeof size === 'number' ? size : axis === 0 ? batch! : free.next().value!))
    const next = random(batch!)
    const x = { dims, data: Float32Array.from({ length: dims.reduce((a, b) => a * b) }, () => next() * 2 - 1) }
    const [want, got] = [await sessions[0].runAll([x]), await sessions[1].runAll([x])]
    for (const [i, { data, dims }] of want.entries()) {
      assert.deepEqual(got[i]!.dims, dims)
      assert.ok(
        data.some(v => Math.abs(v) > 1e-3),
        'a graph that answers nothing proves nothing',
      )
      assert.ok(largestDifference(data, got[i]!.data) <= 2e-5)
    }
  }
  for (const session of sessions) await session.close()
}
