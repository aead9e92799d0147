import { floats, type Graph, ints, type Node, node, scalar, TYPE_CODES } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { type OnnxFile, readOnnx } from '../../probe/onnx-file.js'
import { networkGraph } from '../support/model.js'

/** Upscalers as other people's tools write them, around a small convolutional network. */
export interface ForeignSpec {
  scale?: number
  /** Receptive field of the network within. */
  depth?: number
  range?: [number, number]
  nhwc?: boolean
  half?: boolean
  /** The answer's channels come in reverse. */
  reversed?: boolean
  fixed?: { width: number; height: number }
  /** Sides must be multiples of two. */
  even?: boolean
  /** More nodes behind the network, [from, to]. */
  within?: (from: string, to: string) => Node[]
}

export function foreignGraph(spec: ForeignSpec = {}): Graph {
  const { scale = 2, depth = 3, range = [0, 1], nhwc, half, reversed, fixed, even, within } = spec
  const inner = networkGraph({ scale, depth, channels: 8 })
  const type = half ? 'float16' : 'float32'
  const [height, width] = fixed ? [fixed.height, fixed.width] : ['height', 'width']
  const graph: Graph = {
    ...inner,
    inputs: [{ name: 'picture', type, dims: nhwc ? ['n', height, width, 3] : ['n', 3, height, width] }],
    outputs: [{ name: 'larger', type, dims: nhwc ? ['n', 'h', 'w', 3] : ['n', 3, 'h', 'w'] }],
    nodes: [],
    initializers: new Map([
      ...inner.initializers,
      ...Object.entries({ zero: 0, one: 1, low: range[0], span: range[1] - range[0], steps: 255, tie: 0.5 }).map(
        ([name, value]) => [name, scalar(value)] as const,
      ),
      ['backwards', ints([2, 1, 0])],
    ]),
  }
  let last = 'picture'
  const add = (op: string, others: string[] = [], attributes: Node['attributes'] = {}) => {
    const name = `outer${graph.nodes.length}`
    graph.nodes.push(node(op, [last, ...others], [name], attributes))
    last = name
  }
  if (nhwc) add('Transpose', [], { perm: { ints: [0, 3, 1, 2] } })
  if (half) add('Cast', [], { to: { int: TYPE_CODES.float32 } })
  add('Sub', ['low'])
  add('Div', ['span'])
  add('Clip', ['zero', 'one'])
  if (even) add('SpaceToDepth', [], { blocksize: { int: 2 } })
  if (even) add('DepthToSpace', [], { blocksize: { int: 2 } })
  graph.nodes.push(...inner.nodes.map(n => ({ ...n, inputs: n.inputs.map(name => (name === 'input' ? last : name)) })))
  last = 'output'
  if (within) {
    graph.nodes.push(...within(last, 'within'))
    last = 'within'
  }
  // Rounded to bytes, so that the network answers well in its own range only.
  add('Clip', ['zero', 'one'])
  add('Mul', ['steps'])
  add('Add', ['tie'])
  add('Floor')
  add('Div', ['steps'])
  add('Mul', ['span'])
  add('Add', ['low'])
  if (reversed) add('Gather', ['backwards'], { axis: { int: 1 } })
  if (half) add('Cast', [], { to: { int: TYPE_CODES.float16 } })
  if (nhwc) add('Transpose', [], { perm: { ints: [0, 2, 3, 1] } })
  graph.nodes.push(node('Identity', [last], ['larger']))
  return graph
}

/** A graph of a few nodes from "x" to "y". */
export function graphOf(
  nodes: Node[],
  constants: Graph['initializers'] = new Map(),
  dims: (number | string)[] = ['n', 3, 'h', 'w'],
): Graph {
  return {
    name: 'test',
    inputs: [{ name: 'x', type: 'float32', dims }],
    outputs: [{ name: 'y', type: 'float32', dims: ['a', 'b', 'c', 'd'] }],
    nodes,
    initializers: constants,
    metadata: {},
  }
}

export function fileOf(graph: Graph): { bytes: Uint8Array; file: OnnxFile } {
  const bytes = serialize(graph)
  return { bytes, file: readOnnx(bytes, 'test.onnx') }
}

export const numbers = (...dims: number[]) =>
  floats(
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i + 1)),
  )
