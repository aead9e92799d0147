import type { Graph } from '../graph.js'
import { node } from '../graph.js'
import { rewrite } from './rewrite.js'
import { floatsOf } from './weighted.js'

/** A PRelu whose slopes are all equal becomes a LeakyRelu, which ONNX Runtime fuses into the convolution before it; a PRelu it does not. */
export function unifySlopes(graph: Graph): Graph {
  return rewrite(graph, ({ op, inputs, outputs }, draft) => {
    const slopes = op === 'PRelu' ? floatsOf(draft, inputs[1])?.data : undefined
    const slope = slopes?.[0]
    if (slope === undefined || !slopes!.every(other => other === slope)) return undefined
    const [x] = inputs as [string]
    if (slope === 1) return [node('Identity', [x], outputs)]
    return [slope === 0 ? node('Relu', [x], outputs) : node('LeakyRelu', [x], outputs, { alpha: { float: slope } })]
  })
}
