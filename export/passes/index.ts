import type { Graph } from '../graph.js'
import { dropDead } from './drop-dead.js'
import { dropIdentities } from './drop-identities.js'
import { foldBatchNormalization } from './fold-batch-normalization.js'

/** Same answers, fewer nodes. */
export function simplify(graph: Graph): Graph {
  return [dropIdentities, foldBatchNormalization, dropDead].reduce((g, pass) => pass(g), graph)
}
