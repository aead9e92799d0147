import type { Graph, Node } from '../graph.js'
import { node } from '../graph.js'
import { affineInput, affineOf } from './affine.js'
import { areaOf, type Convolution, convolutionNode, convolutionOf, costOf, forEachPair } from './convolution.js'
import { inSequence } from './merge-sequences.js'
import { type Draft, rewrite } from './rewrite.js'

/**
 * A sum of convolutions of one value, and of that value itself (scaled, shifted), becomes one convolution where that costs no more:
 * the blocks of RepVGG (Ding et al., CVPR 2021, section 3.3) and of ECBSR (Zhang et al., ACM MM 2021, section 3.2), whose branches
 * are two convolutions each.
 */
export function mergeBranches(graph: Graph): Graph {
  return rewrite(graph, (sum, draft) => {
    if (sum.op !== 'Add') return undefined
    const terms = termsOf(sum, draft)
    const ways = terms.map(term => waysOf(term, draft))
    for (const [i, branch] of ways.flatMap((own, i) => own.map(branch => [i, branch] as const))) {
      const others = terms.map((term, k) => (k === i ? [] : [...ways[k]!, ...itself(term, branch.convolution, draft)]))
      const { merged, used } = joined(branch, others)
      const rest = terms.filter((_, k) => k !== i && !used.has(k))
      if (used.size > 0) return sumOf(merged, rest, sum.outputs[0]!, draft)
    }
    return undefined
  })
}

/** One way to see a term of the sum as a convolution, and what its own nodes cost. */
interface Branch {
  convolution: Convolution
  cost: number
}

/** The terms of a sum of sums that nobody else reads. */
function termsOf(sum: Node, draft: Draft): string[] {
  return sum.inputs.flatMap(input => {
    const maker = draft.maker(input)
    return maker?.op === 'Add' && draft.isPrivate(input) ? termsOf(maker, draft) : [input]
  })
}

/** A term that is a convolution, as that, and together with those before it that amount to one with it. */
function waysOf(term: string, draft: Draft): Branch[] {
  const last = draft.isPrivate(term) ? convolutionOf(draft.maker(term), draft) : undefined
  if (!last) return []
  const longer = waysOf(last.input, draft).flatMap(({ convolution, cost }) => {
    const both = inSequence(convolution, last)
    return both ? [{ convolution: both, cost: cost + costOf(last) }] : []
  })
  return [{ convolution: last, cost: costOf(last) }, ...longer]
}

/** A term that is the convolution's own input, scaled and shifted by channel: a 1×1 convolution of each channel alone. */
function itself(term: string, { input, dims, group, node }: Convolution, draft: Draft): Branch[] {
  const count = dims[1] * group
  const scales = new Float64Array(count).fill(1)
  const offsets = new Float64Array(count)
  let value = term
  while (value !== input) {
    const maker = draft.isPrivate(value) ? draft.maker(value) : undefined
    const from = maker && affineInput(maker, draft)
    const affine = from === undefined ? undefined : affineOf(maker!, draft, { count, axis: 1, rank: 4 })
    if (!affine) return []
    for (let c = 0; c < count; c++) {
      offsets[c]! += scales[c]! * affine.offset[c]!
      scales[c]! *= affine.scale[c]!
    }
    value = from!
  }
  const convolution: Convolution = {
    input,
    dims: [count, 1, 1, 1],
    group: count,
    strides: [1, 1],
    dilations: [1, 1],
    pads: [0, 0, 0, 0],
    kernel: () => scales,
    bias: () => offsets,
    node,
  }
  return [{ convolution, cost: costOf(convolution) }]
}

/** Takes in one of each term's branches, where that costs no more than the term by itself does. */
function joined(first: Branch, others: Branch[][]): { merged: Convolution; used: Set<number> } {
  let { convolution: merged, cost } = first
  const used = new Set<number>()
  for (const [k, branches] of others.entries()) {
    for (const branch of branches) {
      const both = used.has(k) ? undefined : inParallel(merged, branch.convolution)
      if (!both || costOf(both) > cost + branch.cost) continue
      merged = both
      cost += branch.cost
      used.add(k)
    }
  }
  return { merged, used }
}

function sumOf(merged: Convolution, rest: string[], output: string, draft: Draft): Node[] {
  if (rest.length === 0) return [convolutionNode(merged, output, draft)]
  let value = draft.free(`${output}/Conv`)
  const nodes = [convolutionNode(merged, value, draft)]
  for (const [i, term] of rest.entries()) {
    const next = i === rest.length - 1 ? output : draft.free(output)
    nodes.push(node('Add', [value, term], [next]))
    value = next
  }
  return nodes
}

/** The sum of two convolutions of one value, where their kernels lie on one grid and both give an answer of one size. */
function inParallel(a: Convolution, b: Convolution): Convolution | undefined {
  const [rows, columns] = [commonAxis(a, b, 0), commonAxis(a, b, 1)]
  const ins = a.dims[1] * a.group
  if (a.input !== b.input || a.dims[0] !== b.dims[0] || ins !== b.dims[1] * b.group || !rows || !columns) return undefined
  const group = greatestCommonDivisor(a.group, b.group)
  const dims: Convolution['dims'] = [a.dims[0], ins / group, rows.size, columns.size]
  return {
    ...a,
    dims,
    group,
    dilations: [rows.dilation, columns.dilation],
    pads: [rows.pads[0], columns.pads[0], rows.pads[1], columns.pads[1]],
    kernel: () => {
      const sum = new Float64Array(dims.reduce((x, y) => x * y))
      for (const [k, convolution] of [a, b].entries()) addKernel(sum, dims, group, convolution, [rows.starts[k]!, columns.starts[k]!])
      return sum
    },
    bias: () => {
      const other = b.bias()
      return Float64Array.from(a.bias(), (offset, c) => offset + other[c]!)
    },
  }
}

/** Both kernels along one axis: the smallest that holds both, and where in it each starts. */
function commonAxis(a: Convolution, b: Convolution, axis: 0 | 1) {
  const both = [a, b].map(({ dims, strides, dilations, pads }) => {
    const size = dims[axis + 2]!
    const [before, after] = typeof pads === 'string' ? [Number.NaN, Number.NaN] : [pads[axis]!, pads[axis + 2]!]
    return { size, before, surplus: before + after - dilations[axis] * (size - 1), stride: strides[axis], dilation: dilations[axis] }
  })
  const [one, other] = both as [(typeof both)[0], (typeof both)[0]]
  // A single tap has no dilation.
  const dilation = one.size > 1 ? one.dilation : other.size > 1 ? other.dilation : 1
  const before = Math.max(one.before, other.before)
  const starts = both.map(c => (before - c.before) / dilation)
  const size = Math.max(...both.map((c, k) => starts[k]! + c.size))
  const fits =
    one.stride === other.stride &&
    one.surplus === other.surplus &&
    starts.every(Number.isInteger) &&
    both.every(c => c.size === 1 || c.dilation === dilation)
  const pads = [before, one.surplus - before + dilation * (size - 1)] as const
  return fits ? { size, dilation, starts, pads } : undefined
}

function addKernel(sum: Float64Array, dims: Convolution['dims'], group: number, branch: Convolution, [top, left]: [number, number]): void {
  const [outs, each, height, width] = dims
  const kernel = branch.kernel()
  const area = areaOf(branch)
  forEachPair(branch, (out, input, at) => {
    const start = Math.floor(out / (outs / group)) * each
    const to = (out * each + input - start) * height
    for (let tap = 0; tap < area; tap++) {
      const [y, x] = [top + Math.floor(tap / branch.dims[3]), left + (tap % branch.dims[3])]
      sum[(to + y) * width + x]! += kernel[at * area + tap]!
    }
  })
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
