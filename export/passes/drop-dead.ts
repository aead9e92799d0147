import type { Graph } from '../graph.js'

/** Takes out nodes and constants that no output depends on. */
export function dropDead(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(output => output.name))
  const nodes = graph.nodes.toReversed().filter(n => {
    if (!n.outputs.some(output => needed.has(output))) return false
    for (const input of n.inputs) needed.add(input)
    return true
  })
  const initializers = new Map([...graph.initializers].filter(([name]) => needed.has(name)))
  return { ...graph, nodes: nodes.toReversed(), initializers }
}
