import type { Node } from '../graph.js'
import { floats } from '../graph.js'
import { intOf, intsOf, padsOf, stringOf } from './attributes.js'
import type { Draft } from './rewrite.js'
import { biasOf, floatsOf } from './weighted.js'

type Pair = [number, number]

/** A convolution of pictures; its numbers are worked out when they are asked for. */
export interface Convolution {
  input: string
  /** [out, in/group, height, width] */
  dims: [number, number, number, number]
  group: number
  strides: Pair
  dilations: Pair
  /** [top, left, bottom, right], or how they follow from the input's size, as `auto_pad` has it. */
  pads: number[] | string
  kernel: () => ArrayLike<number>
  bias: () => ArrayLike<number>
  /** The node it is of, or the last one of several. */
  node: Node
}

/** What a kernel costs for each pixel of the answer. */
export const costOf = ({ dims }: Pick<Convolution, 'dims'>): number => dims.reduce((a, b) => a * b)

export function convolutionOf(node: Node | undefined, draft: Draft): Convolution | undefined {
  if (node?.op !== 'Conv') return undefined
  const kernel = floatsOf(draft, node.inputs[1])
  const bias = kernel && biasOf(draft, node.inputs[2], kernel.dims[0]!)
  if (kernel?.dims.length !== 4 || !bias) return undefined
  const dims = kernel.dims as Convolution['dims']
  const strides = intsOf(node, 'strides', [1, 1]) as Pair
  const needsNoPads = [...dims.slice(2), ...strides].every(side => side === 1)
  return {
    input: node.inputs[0]!,
    dims,
    group: intOf(node, 'group', 1),
    strides,
    dilations: intsOf(node, 'dilations', [1, 1]) as Pair,
    pads: padsOf(node, 2) ?? (needsNoPads ? [0, 0, 0, 0] : stringOf(node, 'auto_pad', '')),
    kernel: () => kernel.data,
    bias: () => bias,
    node,
  }
}

/** Writes a convolution that stands in the place of others; its weights keep the names of its node's. */
export function convolutionNode(convolution: Convolution, output: string, draft: Draft): Node {
  const { input, dims, group, strides, dilations, pads, node } = convolution
  const [, kernelName, biasName] = node.inputs as [string, string, string?]
  const bias = floats([dims[0]], convolution.bias())
  const inputs = [
    input,
    draft.replace(kernelName, floats(dims, convolution.kernel())),
    biasName ? draft.replace(biasName, bias) : draft.add(`${output}/bias`, bias),
  ]
  return {
    op: 'Conv',
    inputs,
    outputs: [output],
    attributes: {
      kernel_shape: { ints: dims.slice(2) },
      strides: { ints: strides },
      dilations: { ints: dilations },
      ...(typeof pads === 'string' ? { auto_pad: { string: pads } } : { pads: { ints: pads } }),
      ...(group === 1 ? {} : { group: { int: group } }),
    },
  }
}

/** Shows every pair of an output and an input channel that the kernel has numbers for, and where: [out, in/group] counted through. */
export function forEachPair(convolution: Convolution, visit: (out: number, input: number, at: number) => void): void {
  for (let out = 0; out < convolution.dims[0]; out++) forEachInput(convolution, out, (input, at) => visit(out, input, at))
}

/** The same for one output channel. */
export function forEachInput({ dims, group }: Convolution, out: number, visit: (input: number, at: number) => void): void {
  const [outs, each] = dims
  const start = Math.floor(out / (outs / group)) * each
  for (let i = 0; i < each; i++) visit(start + i, out * each + i)
}

export const areaOf = ({ dims }: Convolution): number => dims[2] * dims[3]
