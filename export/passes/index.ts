import type { Graph } from '../graph.js'
import { dropDead } from './drop-dead.js'
import { dropIdentities } from './drop-identities.js'
import { foldAffine } from './fold-affine.js'

/** Same answers, fewer nodes. */
export function simplify(graph: Graph): Graph {
  return [dropIdentities, foldAffine, dropDead].reduce((g, pass) => pass(g), graph)
}
