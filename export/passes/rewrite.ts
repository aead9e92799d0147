import type { Constant, Graph, Node, Value } from '../graph.js'
import { dropDead } from './drop-dead.js'

/** A graph while it is rewritten: what a rule may ask of it, and how it adds to it. */
export interface Draft {
  constant(name: string | undefined): Constant | undefined
  /** The node that makes a value; the graph's inputs and constants have none. */
  maker(value: string): Node | undefined
  /** Is a value read by one node only, and not a result of the graph? */
  isPrivate(value: string): boolean
  isOutput(value: string): boolean
  /** The sizes of an input of the graph. */
  inputDims(name: string): Value['dims'] | undefined
  /** A name that nothing has yet: `name`, or `name` with a number. */
  free(name: string): string
  /** Adds a constant and returns its name: `name`, or `name` with a number. */
  add(name: string, constant: Constant): string
  /** Adds a constant in the place of one that the rewritten nodes read, and returns its name: the same, if nobody else reads that one. */
  replace(name: string, constant: Constant): string
  /** Makes a value a constant. Its node goes. */
  define(value: string, constant: Constant): void
}

/**
 * Shows every node to `rule`, in their order. The nodes that it returns take the node's place and are shown to it in turn; they make the
 * same values under the same names, and any other value under a name of its own: whoever compares graphs goes by the names.
 * What nobody reads any more is gone.
 * @returns `graph` itself where the rule changed nothing
 */
export function rewrite(graph: Graph, rule: (node: Node, draft: Draft) => Node[] | undefined): Graph {
  const constants = new Map(graph.initializers)
  const makers = new Map<string, Node>()
  const reads = new Map<string, number>()
  const results = new Set(graph.outputs.map(output => output.name))
  const taken = new Set([...graph.inputs.map(input => input.name), ...constants.keys(), ...graph.nodes.flatMap(n => n.outputs)])

  const keep = (name: string) => reads.set(name, (reads.get(name) ?? 0) + 1)
  const release = (name: string) => {
    reads.set(name, reads.get(name)! - 1)
    const maker = makers.get(name)
    if (maker?.outputs.every(output => !reads.get(output))) maker.inputs.forEach(release)
  }
  for (const name of [...results, ...graph.nodes.flatMap(n => n.inputs)]) keep(name)

  const draft: Draft = {
    constant: name => (name === undefined ? undefined : constants.get(name)),
    maker: value => makers.get(value),
    isPrivate: value => reads.get(value) === 1 && !results.has(value),
    isOutput: value => results.has(value),
    inputDims: name => graph.inputs.find(input => input.name === name)?.dims,
    free: name => {
      let unique = name
      for (let i = 1; taken.has(unique); i++) unique = `${name}_${i}`
      taken.add(unique)
      return unique
    },
    add: (name, constant) => {
      const unique = draft.free(name)
      constants.set(unique, constant)
      return unique
    },
    replace: (name, constant) => {
      if (reads.get(name) !== 1) return draft.add(name, constant)
      constants.set(name, constant)
      return name
    },
    define: (value, constant) => {
      constants.set(value, constant)
    },
  }

  const nodes: Node[] = []
  let changed = false
  for (const node of graph.nodes) {
    const open = [node]
    while (open.length > 0) {
      const next = open.shift()!
      const instead = rule(next, draft)
      if (instead) {
        changed = true
        for (const { inputs } of instead) inputs.forEach(keep)
        next.inputs.forEach(release)
        open.unshift(...instead)
      } else {
        nodes.push(next)
        for (const output of next.outputs) makers.set(output, next)
      }
    }
  }
  return changed ? dropDead({ ...graph, nodes, initializers: constants }) : graph
}
