import { closest } from 'fastest-levenshtein'
import { UprezError } from '../../errors.js'
import type { Graph } from '../graph.js'
import { cancelTransposes } from './cancel-transposes.js'
import { dropDead } from './drop-dead.js'
import { dropIdentities } from './drop-identities.js'
import { foldAffine } from './fold-affine.js'
import { foldAffineBefore } from './fold-affine-before.js'
import { foldConstants } from './fold-constants.js'
import { foldFlatten } from './fold-flatten.js'
import { foldPads } from './fold-pads.js'
import { mergeBranches } from './merge-branches.js'
import { mergeSequences } from './merge-sequences.js'
import { unifySlopes } from './unify-slopes.js'

/**
 * Rewritings that leave the graph's answers as they are, in the order in which they are tried. A pass that finds nothing to do returns
 * the graph it was given. A value that keeps its name stays the same value.
 */
export const PASSES: Record<string, (graph: Graph) => Graph> = {
  'drop-identities': dropIdentities,
  'fold-constants': foldConstants,
  'unify-slopes': unifySlopes,
  'cancel-transposes': cancelTransposes,
  'fold-flatten': foldFlatten,
  'fold-pads': foldPads,
  'fold-affine': foldAffine,
  'fold-affine-before': foldAffineBefore,
  'merge-sequences': mergeSequences,
  'merge-branches': mergeBranches,
}

/** Every pass leaves less to do, so the rounds end by themselves long before. */
const ROUNDS = 100

export interface SimplifyOptions {
  /** Names of passes that do not run. */
  without?: readonly string[] | undefined
  /** Is told each pass that found something to do, and what it made of the graph. */
  watch?: (pass: string, graph: Graph) => void
}

export interface Simplified {
  graph: Graph
  /** The passes that found something to do. */
  applied: string[]
}

/**
 * The same answers from fewer nodes: runs the passes until none finds anything more to do. What no output depends on is left out in any case.
 * @throws UprezError `invalid-option` for a name that no pass has
 */
export function simplify(graph: Graph, { without = [], watch }: SimplifyOptions = {}): Simplified {
  checkPasses(without)
  const passes = Object.entries(PASSES).filter(([name]) => !without.includes(name))
  const applied = new Set<string>()
  let result = dropDead(graph)
  for (let round = 0; round < ROUNDS; round++) {
    const before = result
    for (const [name, pass] of passes) {
      const next = pass(result)
      if (next === result) continue
      result = next
      applied.add(name)
      watch?.(name, result)
    }
    if (result === before) break
  }
  return { graph: result, applied: Object.keys(PASSES).filter(name => applied.has(name)) }
}

/**
 * Are these names of passes?
 * @throws UprezError `invalid-option` with the nearest name
 */
export function checkPasses(names: readonly string[]): void {
  const known = Object.keys(PASSES)
  const unknown = names.find(name => !known.includes(name))
  if (unknown === undefined) return
  const expected = `one of ${known.join(', ')}`
  throw new UprezError(
    'invalid-option',
    `Expected ${expected} for without but received ${unknown}. Did you mean ${closest(unknown, known)}?`,
    {
      param: 'without',
      expected,
      got: unknown,
    },
  )
}
