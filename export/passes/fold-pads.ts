import type { Constant, Graph, Node } from '../graph.js'
import { padsOf, stringOf } from './attributes.js'
import { type Draft, rewrite } from './rewrite.js'

/** Zeros that are put around a picture before a convolution become the convolution's own. */
export function foldPads(graph: Graph): Graph {
  return rewrite(graph, (convolution, draft) => {
    if (convolution.op !== 'Conv') return undefined
    const [x, kernel, ...bias] = convolution.inputs as [string, string, string?]
    const axes = draft.constant(kernel) ? draft.constant(kernel)!.dims.length - 2 : 0
    const before = draft.maker(x)
    const zeros = before && !draft.isOutput(x) ? zerosAround(before, axes, draft) : undefined
    const own = padsOf(convolution, axes)
    if (!zeros || !own) return undefined
    const { auto_pad: _, ...attributes } = convolution.attributes
    const pads = { ints: own.map((pad, i) => pad + zeros[i]!) }
    return [
      {
        ...convolution,
        inputs: [before!.inputs[0]!, kernel, ...bias.filter(name => name !== undefined)],
        attributes: { ...attributes, pads },
      },
    ]
  })
}

/** What a Pad adds at the start and the end of each spatial axis, where that is zeros and all that it does. */
function zerosAround(pad: Node, axes: number, draft: Draft): number[] | undefined {
  const [, padsName, valueName, axesName] = pad.inputs
  const pads = draft.constant(padsName)
  if (pad.op !== 'Pad' || stringOf(pad, 'mode', 'constant') !== 'constant' || axesName || pads?.type !== 'int64') return undefined
  if (valueName && !isZero(draft.constant(valueName))) return undefined
  const [starts, ends] = [pads.data.slice(0, axes + 2), pads.data.slice(axes + 2)]
  const spatial = [...starts.slice(2), ...ends.slice(2)]
  const only = [starts, ends].every(side => side.length === axes + 2 && side[0] === 0 && side[1] === 0) && spatial.every(size => size >= 0)
  return only ? spatial : undefined
}

const isZero = (value: Constant | undefined) => value?.type === 'float32' && value.data[0] === 0
