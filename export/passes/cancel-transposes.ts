import type { Graph, Node } from '../graph.js'
import { node } from '../graph.js'
import { intsOf } from './attributes.js'
import { rewrite } from './rewrite.js'

/** Two Transposes on end become one; one that leaves every axis where it is, or two that undo each other, none. */
export function cancelTransposes(graph: Graph): Graph {
  return rewrite(graph, (last, draft) => {
    const order = orderOf(last)
    if (!order) return undefined
    const [x] = last.inputs as [string]
    if (isInPlace(order)) return [node('Identity', [x], last.outputs)]
    const first = draft.maker(x)
    const before = first && orderOf(first)
    if (!before) return undefined
    const both = order.map(axis => before[axis]!)
    const source = [first.inputs[0]!]
    if (isInPlace(both)) return [node('Identity', source, last.outputs)]
    return draft.isPrivate(x) ? [node('Transpose', source, last.outputs, { perm: { ints: both } })] : undefined
  })
}

/** Where each axis comes from; without `perm` a Transpose reverses them, however many there are. */
function orderOf(transpose: Node): number[] | undefined {
  const order = transpose.op === 'Transpose' ? intsOf(transpose, 'perm', []) : []
  return order.length === 0 ? undefined : order
}

const isInPlace = (order: number[]) => order.every((from, axis) => from === axis)
