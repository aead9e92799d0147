import { type Constant, floats, type Graph, type Node, node, readersOf, scalar } from '../graph.js'

/** The smallest and the largest number of a value. */
export interface Range {
  low: number
  high: number
}

/**
 * Weights reach ±63, not ±127: a CPU without VNNI adds two products of a weight and an activation in 16 bits (VPMADDUBSW), where
 * 2·255·127 is cut off and 2·255·63 is not. So the answer is the same on every machine, for about 0.01 dB.
 */
const LARGEST_WEIGHT = 63
const LARGEST_ACTIVATION = 255
/** A bias beyond would not fit its 32 bits. */
const LARGEST_BIAS = 2 ** 30
/** Smaller scales, or products of them, come near the end of what float32 holds. */
const SMALLEST_SCALE = 2 ** -100

/**
 * The convolutions that are computed in 8 bits: those between others. The first and the last, which meet the picture, stay as they
 * are, on every path from the input to the output.
 */
export function innerConvolutions(graph: Graph): Node[] {
  const behind = meeting(
    graph.nodes,
    ({ inputs }) => inputs,
    ({ outputs }) => outputs,
  )
  const before = meeting(
    graph.nodes.toReversed(),
    ({ outputs }) => outputs,
    ({ inputs }) => inputs,
  )
  return graph.nodes.filter(n => n.op === 'Conv' && behind.has(n) && before.has(n) && graph.initializers.has(n.inputs[1]!))
}

/** The nodes that a convolution was met before, walking as `from` and `to` say. */
function meeting(nodes: Node[], from: (node: Node) => string[], to: (node: Node) => string[]): Set<Node> {
  const met = new Set<Node>()
  const values = new Set<string>()
  for (const n of nodes) {
    const isBehind = from(n).some(name => values.has(name))
    if (isBehind) met.add(n)
    if (isBehind || n.op === 'Conv' || n.op === 'ConvTranspose') for (const name of to(n)) values.add(name)
  }
  return met
}

/** The values that are rounded to 8 bits, whose ranges must be known: what the inner convolutions read and what they give. */
export function roundedValues(graph: Graph): Set<string> {
  const convolutions = innerConvolutions(graph)
  return new Set([...convolutions.map(({ inputs }) => inputs[0]!), ...convolutions.map(n => answerOf(graph, n))])
}

/** A ReLU is part of its convolution: bytes whose zero point is 0 have no room for what it cuts off. */
function answerOf(graph: Graph, convolution: Node): string {
  const name = convolution.outputs[0]!
  const reader = graph.nodes.find(({ inputs }) => inputs[0] === name)
  return reader?.op === 'Relu' && readersOf(graph, name) === 1 ? reader.outputs[0]! : name
}

/**
 * The same network with its inner convolutions in 8 bits, in the form that runtimes fuse (QDQ): around each stand QuantizeLinear and
 * DequantizeLinear, of which ONNX Runtime makes one QLinearConv, and one QLinearLeakyRelu of a LeakyReLU between two. Activations are
 * uint8 with a zero point, one scale a value; weights int8, symmetric, one scale an output channel; biases int32. Sums of branches
 * and all other nodes stay float32, so that errors do not pile up along a chain of residual blocks.
 * Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, section 2.
 * @param ranges of `roundedValues`
 */
export function toInt8(graph: Graph, ranges: ReadonlyMap<string, Range>): Graph {
  const convolutions = new Set(innerConvolutions(graph))
  const rounded = roundedValues(graph)
  const inBytes = (n: Node) => convolutions.has(n) || (n.op === 'LeakyRelu' && rounded.has(n.inputs[0]!) && rounded.has(n.outputs[0]!))
  const madeInBytes = new Set([...convolutions].map(n => answerOf(graph, n)))
  for (const n of graph.nodes) if (inBytes(n)) madeInBytes.add(n.outputs[0]!)

  const nodes: Node[] = []
  const initializers = new Map(graph.initializers)
  const scales = new Map<string, number>()
  for (const n of graph.nodes) {
    // Who computes in floats reads a float, where there is one.
    const inputs = n.inputs.map(name => (rounded.has(name) && (inBytes(n) || madeInBytes.has(name)) ? `${name}/rounded` : name))
    nodes.push(convolutions.has(n) ? convolution(n, inputs) : { ...n, inputs })
    for (const name of n.outputs) if (rounded.has(name)) round(name)
  }
  const used = new Set(nodes.flatMap(({ inputs }) => inputs))
  return { ...graph, nodes, initializers: new Map([...initializers].filter(([name]) => used.has(name))) }

  function round(name: string): void {
    const { scale, zero } = bytesFor(ranges.get(name)!)
    scales.set(name, scale)
    initializers.set(`${name}/scale`, scalar(scale))
    initializers.set(`${name}/zero`, { type: 'uint8', dims: [], data: Uint8Array.of(zero) })
    const how = [`${name}/scale`, `${name}/zero`]
    nodes.push(
      node('QuantizeLinear', [name, ...how], [`${name}/bytes`]),
      node('DequantizeLinear', [`${name}/bytes`, ...how], [`${name}/rounded`]),
    )
  }

  /** Named after its answer: another convolution may share the weights and have other scales. */
  function convolution(n: Node, [input]: string[]): Node {
    const [x, kernelName, biasName] = n.inputs as [string, string, string?]
    const kernel = graph.initializers.get(kernelName) as Constant & { type: 'float32' }
    const bias = biasName ? (graph.initializers.get(biasName)!.data as Float32Array) : new Float32Array(kernel.dims[0]!)
    const quantized = quantizeWeights(kernel.data, bias, scales.get(x)!)
    const place = n.outputs[0]!
    const weights: Constant = { type: 'int8', dims: kernel.dims, data: quantized.kernel }
    const offsets: Constant = { type: 'int32', dims: [bias.length], data: quantized.bias }
    const inputs = [
      perChannel(`${place}/kernel`, weights, quantized.kernelScales),
      perChannel(`${place}/bias`, offsets, quantized.biasScales),
    ]
    return { ...n, inputs: [input!, ...inputs] }
  }

  function perChannel(name: string, constant: Constant, scales: Float32Array): string {
    const zeros = constant.type === 'int8' ? new Int8Array(scales.length) : new Int32Array(scales.length)
    initializers.set(`${name}/bytes`, constant)
    initializers.set(`${name}/scale`, floats([scales.length], scales))
    initializers.set(`${name}/zero`, { type: constant.type, dims: [scales.length], data: zeros } as Constant)
    nodes.push(node('DequantizeLinear', [`${name}/bytes`, `${name}/scale`, `${name}/zero`], [`${name}/rounded`], { axis: { int: 0 } }))
    return `${name}/rounded`
  }
}

/** Scale and zero point of bytes that hold a range; 0, which pads pictures, is always one of them. */
export function bytesFor({ low, high }: Range): { scale: number; zero: number } {
  const [least, most] = [Math.min(0, low), Math.max(0, high)]
  const scale = Math.fround(Math.max((most - least) / LARGEST_ACTIVATION, SMALLEST_SCALE))
  return { scale, zero: Math.round((0 - least) / scale) }
}

/**
 * Kernel [out, …] and bias [out] as integers: value = integer · scale of its output channel.
 * @param inputScale of the convolution's input: the bias is added to sums of products, in units of both scales
 */
export function quantizeWeights(kernel: Float32Array, bias: Float32Array, inputScale: number) {
  const size = kernel.length / bias.length
  const smallest = Math.max(SMALLEST_SCALE, SMALLEST_SCALE / inputScale)
  const kernelScales = Float32Array.from(bias, (offset, channel) => {
    let largest = 0
    for (const weight of kernel.subarray(channel * size, (channel + 1) * size)) largest = Math.max(largest, Math.abs(weight))
    return Math.max(largest / LARGEST_WEIGHT, Math.abs(offset) / inputScale / LARGEST_BIAS, smallest)
  })
  const biasScales = kernelScales.map(scale => scale * inputScale)
  return {
    kernelScales,
    biasScales,
    kernel: Int8Array.from(kernel, (weight, i) => clamp(Math.round(weight / kernelScales[Math.floor(i / size)]!), LARGEST_WEIGHT)),
    bias: Int32Array.from(bias, (offset, channel) => Math.round(offset / biasScales[channel]!)),
  }
}

const clamp = (value: number, most: number): number => Math.min(most, Math.max(-most, value))
