import type { Graph, Node } from '../graph.js'
import { intOf, intsOf } from './attributes.js'
import { channelCount } from './channel-count.js'
import { type Draft, rewrite } from './rewrite.js'
import { weightedOf } from './weighted.js'

/**
 * A picture is turned from NCHW to NHWC before it is flattened for a matrix product, because tfjs counts its rows so. Counted by channel,
 * row and column, they take the picture as it is.
 */
export function foldFlatten(graph: Graph): Graph {
  return rewrite(graph, (product, draft) => {
    if (product.op !== 'Gemm' && product.op !== 'MatMul') return undefined
    const weighted = weightedOf(product, draft)
    const flatten = weighted && flattening(weighted.input, draft)
    const turn = flatten && turnToNhwc(flatten.inputs[0]!, draft)
    const channels = turn && channelCount(turn.inputs[0]!, draft)
    if (!channels || weighted!.ins.count % channels !== 0) return undefined

    const { kernel, bias, ins, outs, inOf } = weighted!
    const area = ins.count / channels
    const step = intOf(product, 'transB', 0) === 1 ? 1 : outs.count
    const moved = kernel.data.map((_, i) => {
      const to = inOf(i)
      const from = (to % area) * channels + Math.floor(to / area)
      return kernel.data[i + (from - to) * step]!
    })
    const flat = draft.free(flatten!.outputs[0]!)
    const [multiplication] = weighted!.nodes(moved, bias) as [Node]
    return [
      { ...flatten!, inputs: [turn!.inputs[0]!, ...flatten!.inputs.slice(1)], outputs: [flat] },
      { ...multiplication, inputs: [flat, ...multiplication.inputs.slice(1)] },
    ]
  })
}

/** A Flatten that keeps the batch, or a Reshape that does the same. */
function flattening(value: string, draft: Draft): Node | undefined {
  const flatten = draft.isPrivate(value) ? draft.maker(value) : undefined
  if (flatten?.op === 'Flatten') return intOf(flatten, 'axis', 1) === 1 ? flatten : undefined
  const shape = flatten?.op === 'Reshape' ? draft.constant(flatten.inputs[1]) : undefined
  const keepsBatch = shape?.type === 'int64' && shape.data.length === 2 && shape.data[0] === 0 && intOf(flatten!, 'allowzero', 0) === 0
  return keepsBatch ? flatten : undefined
}

function turnToNhwc(value: string, draft: Draft): Node | undefined {
  const turn = draft.isPrivate(value) ? draft.maker(value) : undefined
  return turn?.op === 'Transpose' && String(intsOf(turn, 'perm', [])) === '0,2,3,1' ? turn : undefined
}
