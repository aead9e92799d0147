import type { Constant, Node } from '../graph.js'
import { floats } from '../graph.js'
import type { Channels } from './affine.js'
import { floatOf, intOf, padsOf } from './attributes.js'
import type { Draft } from './rewrite.js'

type Floats = Extract<Constant, { type: 'float32' }>

/** A convolution or a matrix product by constants, and the offset that is added to it. */
export interface Weighted {
  input: string
  kernel: Floats
  /** Undefined where there is no place for one. */
  bias: Float32Array | undefined
  ins: Channels
  outs: Channels
  /** The input and the output channel that the kernel's i-th number is between. */
  inOf: (i: number) => number
  outOf: (i: number) => number
  /** Are there answers that fewer inputs go into than the kernel has numbers? */
  bordered: boolean
  /** The same with other numbers, or with some as they are. */
  nodes: (kernel: Float32Array, bias: Float32Array | undefined) => Node[]
}

/** Reads a Conv, ConvTranspose, Gemm, MatMul, or the Add behind a MatMul together with it. */
export function weightedOf(node: Node | undefined, draft: Draft): Weighted | undefined {
  if (node?.op === 'Conv' || node?.op === 'ConvTranspose') return convolution(node, draft)
  if (node?.op === 'Gemm') return gemm(node, draft)
  if (node?.op === 'MatMul') return matMul(node, draft)
  if (node?.op === 'Add') return matMulAdd(node, draft)
  return undefined
}

/** Conv holds its kernel as [out, in/group, h, w], ConvTranspose as [in, out/group, h, w]. */
function convolution(node: Node, draft: Draft): Weighted | undefined {
  const kernel = floatsOf(draft, node.inputs[1])
  if (!kernel) return undefined
  const transposed = node.op === 'ConvTranspose'
  const [all, each, ...sides] = kernel.dims as [number, number, ...number[]]
  const area = sides.reduce((a, b) => a * b, 1)
  const groups = intOf(node, 'group', 1)
  const allOf = (i: number) => Math.floor(i / (area * each))
  const eachOf = (i: number) => Math.floor(allOf(i) / (all / groups)) * each + (Math.floor(i / area) % each)
  const channels = (count: number): Channels => ({ count, axis: 1, rank: kernel.dims.length })
  const [outs, ins] = transposed ? [each * groups, all] : [all, each * groups]
  const bias = biasOf(draft, node.inputs[2], outs)
  if (!bias) return undefined
  return {
    input: node.inputs[0]!,
    kernel,
    bias,
    ins: channels(ins),
    outs: channels(outs),
    inOf: transposed ? allOf : eachOf,
    outOf: transposed ? eachOf : allOf,
    bordered: transposed || !padsOf(node, sides.length)?.every(pad => pad === 0),
    nodes: (numbers, offsets) => [withWeights(node, draft, numbers, offsets)],
  }
}

function gemm(node: Node, draft: Draft): Weighted | undefined {
  const matrix = matrixOf(draft, node.inputs[1], intOf(node, 'transB', 0) === 1, 1)
  const bias = matrix && biasOf(draft, node.inputs[2], matrix.outs.count)
  const plain = floatOf(node, 'alpha', 1) === 1 && floatOf(node, 'beta', 1) === 1 && intOf(node, 'transA', 0) === 0
  if (!bias || !plain) return undefined
  return { ...matrix, input: node.inputs[0]!, bias, nodes: (numbers, offsets) => [withWeights(node, draft, numbers, offsets)] }
}

function matMul(node: Node, draft: Draft): Weighted | undefined {
  const matrix = matrixOf(draft, node.inputs[1], false, 'last')
  if (!matrix) return undefined
  return { ...matrix, input: node.inputs[0]!, bias: undefined, nodes: numbers => [withWeights(node, draft, numbers, undefined)] }
}

function matMulAdd(node: Node, draft: Draft): Weighted | undefined {
  const [product, name] = draft.constant(node.inputs[0]) ? node.inputs.toReversed() : node.inputs
  const maker = draft.maker(product!)
  const matrix = maker?.op === 'MatMul' && draft.isPrivate(product!) ? matMul(maker, draft) : undefined
  const bias = matrix && draft.constant(name) && biasOf(draft, name, matrix.outs.count)
  if (!bias) return undefined
  return {
    ...matrix,
    bias,
    nodes: (numbers, offsets) => {
      const renamed = draft.free(product!)
      const inputs = [renamed, draft.replace(name!, floats([offsets!.length], offsets!))]
      return [...matrix.nodes(numbers, undefined).map(n => ({ ...n, outputs: [renamed] })), { ...node, inputs }]
    },
  }
}

/** [in, out], or the other way round. */
function matrixOf(draft: Draft, name: string | undefined, flipped: boolean, axis: Channels['axis']) {
  const kernel = floatsOf(draft, name)
  if (kernel?.dims.length !== 2) return undefined
  const [rows, columns] = kernel.dims as [number, number]
  const channels = (count: number): Channels => ({ count, axis, rank: 2 })
  const row = (i: number) => Math.floor(i / columns)
  const column = (i: number) => i % columns
  return flipped
    ? { kernel, ins: channels(columns), outs: channels(rows), inOf: column, outOf: row, bordered: false }
    : { kernel, ins: channels(rows), outs: channels(columns), inOf: row, outOf: column, bordered: false }
}

export function floatsOf(draft: Draft, name: string | undefined): Floats | undefined {
  const constant = draft.constant(name)
  return constant?.type === 'float32' ? constant : undefined
}

/** An offset a channel; zeros where none is given. */
export function biasOf(draft: Draft, name: string | undefined, channels: number): Float32Array | undefined {
  if (!name) return new Float32Array(channels)
  const bias = floatsOf(draft, name)
  const fits = bias && bias.data.length === channels && bias.dims.at(-1) === channels && bias.dims.length <= 2
  return fits ? bias.data : undefined
}

/** Other numbers in the place of a node's own, which keep their names unless others read them too. */
function withWeights(node: Node, draft: Draft, kernel: Float32Array, bias: Float32Array | undefined): Node {
  const [input, kernelName, biasName] = node.inputs as [string, string, string?]
  const replaced = (name: string, dims: number[], data: Float32Array) =>
    draft.constant(name)!.data === data ? name : draft.replace(name, { type: 'float32', dims, data })
  const weights = [replaced(kernelName, draft.constant(kernelName)!.dims, kernel)]
  if (bias && biasName) weights.push(replaced(biasName, [bias.length], bias))
  else if (bias) weights.push(draft.add(`${node.outputs[0]}/bias`, floats([bias.length], bias)))
  return { ...node, inputs: [input, ...weights] }
}
