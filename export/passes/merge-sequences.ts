import type { Graph } from '../graph.js'
import { areaOf, type Convolution, convolutionNode, convolutionOf, costOf, forEachInput, forEachPair } from './convolution.js'
import { rewrite } from './rewrite.js'

/** A convolution and a 1×1 convolution behind or before it become one, where that one costs no more than the two. */
export function mergeSequences(graph: Graph): Graph {
  return rewrite(graph, (node, draft) => {
    const second = convolutionOf(node, draft)
    const first = second && draft.isPrivate(second.input) ? convolutionOf(draft.maker(second.input), draft) : undefined
    const merged = first && inSequence(first, second!)
    if (!merged || costOf(merged) > costOf(first) + costOf(second!)) return undefined
    return [convolutionNode(merged, node.outputs[0]!, draft)]
  })
}

/**
 * Two convolutions, one of them 1×1, as the one that they amount to.
 * Not so where the first adds an offset and the second pads: its zeros are no offsets.
 */
export function inSequence(first: Convolution, second: Convolution): Convolution | undefined {
  const pads = isPoint(first) || isPoint(second) ? padsInSequence(first, second) : undefined
  if (pads === undefined) return undefined
  const wide = isPoint(second) ? first : second
  return {
    ...wide,
    input: first.input,
    dims: [second.dims[0], first.dims[1] * first.group, wide.dims[2], wide.dims[3]],
    group: 1,
    pads,
    kernel: () => productOf(first, second),
    bias: () => biasThrough(first, second),
    node: second.node,
  }
}

function padsInSequence(first: Convolution, second: Convolution): Convolution['pads'] | undefined {
  if (isUnpadded(second)) return first.pads
  if (!isPoint(first) || !isZero(first.bias())) return undefined
  if (isUnpadded(first)) return second.pads
  const [own, more] = [first.pads, second.pads]
  return typeof own === 'string' || typeof more === 'string' ? undefined : own.map((pad, i) => pad + more[i]!)
}

/** Takes every pixel by itself. */
const isPoint = ({ dims, strides }: Convolution) => [...dims.slice(2), ...strides].every(side => side === 1)
const isUnpadded = ({ pads }: Convolution) => typeof pads !== 'string' && pads.every(pad => pad === 0)
const isZero = (numbers: ArrayLike<number>) => Array.from(numbers).every(n => n === 0)

/** Sum over the channels between, of whichever groups: [out, in, height, width], dense. */
function productOf(first: Convolution, second: Convolution): Float64Array {
  const [inner, outer] = [first.kernel(), second.kernel()]
  const ins = first.dims[1] * first.group
  const [innerArea, outerArea] = [areaOf(first), areaOf(second)]
  // One of the two is 1: its one number goes with every tap of the other.
  const area = innerArea * outerArea
  const [innerStep, outerStep] = [innerArea === 1 ? 0 : 1, outerArea === 1 ? 0 : 1]
  const result = new Float64Array(second.dims[0] * ins * area)
  forEachPair(second, (out, middle, outerAt) => {
    forEachInput(first, middle, (input, innerAt) => {
      for (let tap = 0; tap < area; tap++) {
        const term = inner[innerAt * innerArea + tap * innerStep]! * outer[outerAt * outerArea + tap * outerStep]!
        result[(out * ins + input) * area + tap]! += term
      }
    })
  })
  return result
}

/** What becomes of the first one's bias: W₂b₁ + b₂. */
function biasThrough(first: Convolution, second: Convolution): Float64Array {
  const [inner, outer] = [first.bias(), second.kernel()]
  const result = Float64Array.from(second.bias())
  const area = areaOf(second)
  forEachPair(second, (out, middle, at) => {
    for (let tap = 0; tap < area; tap++) result[out]! += outer[at * area + tap]! * inner[middle]!
  })
  return result
}
