import type { Graph, Node } from '../graph.js'
import { affineInput, affineOf, type Channels } from './affine.js'
import { channelCount } from './channel-count.js'
import { type Draft, rewrite } from './rewrite.js'
import { weightedOf } from './weighted.js'

/**
 * A scale and an offset per channel before a convolution or a matrix product go into its weights: W(sx + t) + b = (Ws)x + (Wt + b).
 * An offset does only where no border is padded: there the zeros, too, would have to be shifted.
 */
export function foldAffineBefore(graph: Graph): Graph {
  return rewrite(graph, (node, draft) => {
    const weighted = weightedOf(node, draft)
    const before = weighted && draft.isPrivate(weighted.input) ? draft.maker(weighted.input) : undefined
    const value = before && affineInput(before, draft)
    const affine = value === undefined ? undefined : affineOf(before!, draft, weighted!.ins)
    if (!affine || !keepsShape(before!, value!, weighted!.ins, draft)) return undefined
    const { scale, offset } = affine
    const { kernel, bias, inOf, outOf, bordered } = weighted!
    const shifts = offset.some(t => t !== 0)
    if (shifts && (bordered || !bias)) return undefined

    const offsets = bias && Float64Array.from(bias)
    if (shifts) {
      kernel.data.forEach((w, i) => {
        offsets![outOf(i)]! += w * offset[inOf(i)]!
      })
    }
    const scales = scale.some(s => s !== 1)
    const scaled = scales ? kernel.data.map((w, i) => w * scale[inOf(i)]!) : kernel.data
    const made = weighted!.nodes(scaled, offsets && Float32Array.from(offsets))
    return [{ ...made[0]!, inputs: [value!, ...made[0]!.inputs.slice(1)] }, ...made.slice(1)]
  })
}

/** One channel may be spread over as many as the constant has; a BatchNormalization spreads nothing. */
function keepsShape({ op, inputs }: Node, value: string, { count, axis, rank }: Channels, draft: Draft): boolean {
  const constants = inputs.map(name => draft.constant(name)).filter(constant => constant !== undefined)
  const alone = constants.every(({ dims, data }) => data.length === 1 && dims.length < rank)
  return op === 'BatchNormalization' || alone || (axis === 1 && channelCount(value, draft) === count)
}
