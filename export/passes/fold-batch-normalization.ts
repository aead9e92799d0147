import type { Graph, Node } from '../graph.js'
import { floats, readersOf } from '../graph.js'

/**
 * A batch normalisation after a convolution is a scale and an offset per output channel, so it goes into the
 * convolution's own weights:  γ(Wx + b − μ)/σ + β  =  (sW)x + (s(b − μ) + β),  s = γ/√(variance + ε)
 */
export function foldBatchNormalization(graph: Graph): Graph {
  return graph.nodes.reduce((result, norm) => {
    if (norm.op !== 'BatchNormalization') return result
    const convolution = result.nodes.find(n => n.outputs[0] === norm.inputs[0])
    return convolution && foldable(result, convolution) ? fold(result, convolution, norm) : result
  }, graph)
}

function foldable(graph: Graph, convolution: Node): boolean {
  const kind = convolution.op === 'Conv' || convolution.op === 'ConvTranspose'
  return kind && readersOf(graph, convolution.outputs[0]!) === 1
}

function fold(graph: Graph, convolution: Node, norm: Node): Graph {
  const numbers = (name: string) => {
    const { dims, data } = graph.initializers.get(name)!
    return { dims, data: data as Float32Array }
  }
  const [gamma, beta, mean, variance] = norm.inputs.slice(1).map(name => numbers(name).data) as Float32Array[]
  const epsilon = norm.attributes.epsilon as { float: number }
  const [x, kernelName, biasName] = convolution.inputs as [string, string, string]
  const kernel = numbers(kernelName)
  const bias = numbers(biasName)
  const scale = gamma!.map((g, c) => g / Math.sqrt(variance![c]! + epsilon.float))

  // Conv holds its kernel as [out, in/group, h, w], ConvTranspose as [in, out, h, w].
  const area = kernel.dims[2]! * kernel.dims[3]!
  const outOf = (i: number) =>
    convolution.op === 'Conv' ? Math.floor(i / (area * kernel.dims[1]!)) : Math.floor(i / area) % kernel.dims[1]!
  // Names of their own: another convolution may share these weights.
  const folded = { kernel: `${norm.outputs[0]}/kernel`, bias: `${norm.outputs[0]}/bias` }
  const initializers = new Map(graph.initializers)
    .set(
      folded.kernel,
      floats(
        kernel.dims,
        kernel.data.map((w, i) => w * scale[outOf(i)]!),
      ),
    )
    .set(
      folded.bias,
      floats(
        bias.dims,
        bias.data.map((b, c) => scale[c]! * (b - mean![c]!) + beta![c]!),
      ),
    )
  const merged: Node = { ...convolution, inputs: [x, folded.kernel, folded.bias], outputs: norm.outputs }
  const nodes = graph.nodes.filter(n => n !== norm).map(n => (n === convolution ? merged : n))
  return { ...graph, nodes, initializers }
}
