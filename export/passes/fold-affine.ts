import type { Graph, Node } from '../graph.js'
import { floats, readersOf } from '../graph.js'

/**
 * A scale and an offset per output channel behind a convolution go into the convolution's own weights:
 * s(Wx + b) + t = (sW)x + (sb + t). So does a batch normalisation, whose s = γ/√(variance + ε) and t = β − sμ, and a
 * multiplication or addition of one number, or of one a channel.
 */
export function foldAffine(graph: Graph): Graph {
  return graph.nodes.reduce((result, node) => {
    const affine = affineOf(graph, node)
    const convolution = affine && result.nodes.find(n => n.outputs[0] === node.inputs[0])
    return convolution && foldable(result, convolution) ? fold(result, convolution, node, affine) : result
  }, graph)
}

/** The scale and the offset of an output channel. */
interface Affine {
  scale: (channel: number) => number
  offset: (channel: number) => number
}

function affineOf(graph: Graph, node: Node): Affine | undefined {
  const [first, ...rest] = node.inputs.slice(1).map(name => graph.initializers.get(name)?.data as Float32Array | undefined)
  if (!first) return undefined
  if (node.op === 'BatchNormalization') {
    const [beta, mean, variance] = rest as [Float32Array, Float32Array, Float32Array]
    const epsilon = node.attributes.epsilon as { float: number }
    const scale = (c: number) => first[c]! / Math.sqrt(variance[c]! + epsilon.float)
    return { scale, offset: c => beta[c]! - scale(c) * mean[c]! }
  }
  // A single number or [c,1,1].
  const byChannel = graph.initializers
    .get(node.inputs[1]!)!
    .dims.slice(1)
    .every(side => side === 1)
  const of = (channel: number) => (first.length === 1 ? first[0]! : first[channel]!)
  if (byChannel && node.op === 'Mul') return { scale: of, offset: () => 0 }
  if (byChannel && node.op === 'Add') return { scale: () => 1, offset: of }
  return undefined
}

function foldable(graph: Graph, convolution: Node): boolean {
  const kind = convolution.op === 'Conv' || convolution.op === 'ConvTranspose'
  return kind && readersOf(graph, convolution.outputs[0]!) === 1
}

function fold(graph: Graph, convolution: Node, node: Node, { scale, offset }: Affine): Graph {
  const numbers = (name: string) => {
    const { dims, data } = graph.initializers.get(name)!
    return { dims, data: data as Float32Array }
  }
  const [x, kernelName, biasName] = convolution.inputs as [string, string, string]
  const kernel = numbers(kernelName)
  const bias = numbers(biasName)

  // Conv holds its kernel as [out, in/group, h, w], ConvTranspose as [in, out, h, w].
  const area = kernel.dims[2]! * kernel.dims[3]!
  const outOf = (i: number) =>
    convolution.op === 'Conv' ? Math.floor(i / (area * kernel.dims[1]!)) : Math.floor(i / area) % kernel.dims[1]!
  // Names of their own: another convolution may share these weights.
  const folded = { kernel: `${node.outputs[0]}/kernel`, bias: `${node.outputs[0]}/bias` }
  const initializers = new Map(graph.initializers)
    .set(
      folded.kernel,
      floats(
        kernel.dims,
        kernel.data.map((w, i) => w * scale(outOf(i))),
      ),
    )
    .set(
      folded.bias,
      floats(
        bias.dims,
        bias.data.map((b, c) => scale(c) * b + offset(c)),
      ),
    )
  const merged: Node = { ...convolution, inputs: [x, folded.kernel, folded.bias], outputs: node.outputs }
  const nodes = graph.nodes.filter(n => n !== node).map(n => (n === convolution ? merged : n))
  return { ...graph, nodes, initializers }
}
