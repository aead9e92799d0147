import type { Graph } from '../graph.js'
import { affineInput, affineOf } from './affine.js'
import { rewrite } from './rewrite.js'
import { weightedOf } from './weighted.js'

/**
 * A scale and an offset per output channel behind a convolution or a matrix product go into its own weights: s(Wx + b) + t =
 * (sW)x + (sb + t). So does a batch normalisation, and an addition, multiplication or division by one number, or by one a channel.
 */
export function foldAffine(graph: Graph): Graph {
  return rewrite(graph, (node, draft) => {
    const value = affineInput(node, draft)
    const weighted = value !== undefined && draft.isPrivate(value) ? weightedOf(draft.maker(value), draft) : undefined
    const affine = weighted && affineOf(node, draft, weighted.outs)
    if (!affine) return undefined
    const { scale, offset } = affine
    const { kernel, bias, outOf } = weighted
    if (!bias && offset.some(t => t !== 0)) return undefined

    const scales = scale.some(s => s !== 1)
    const made = weighted.nodes(
      scales ? kernel.data.map((w, i) => scale[outOf(i)]! * w) : kernel.data,
      bias?.map((b, c) => scale[c]! * b + offset[c]!),
    )
    return [...made.slice(0, -1), { ...made.at(-1)!, outputs: node.outputs }]
  })
}
