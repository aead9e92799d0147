import type { Graph } from '../graph.js'

/** Takes Identity nodes out. One that hands a graph input to a graph output stays: both keep their names. */
export function dropIdentities(graph: Graph): Graph {
  let result = graph
  for (const { op, outputs } of graph.nodes) {
    if (op === 'Identity') result = dropIdentity(result, outputs[0]!)
  }
  return result
}

function dropIdentity(graph: Graph, to: string): Graph {
  const isEnd = (name: string, ends: Graph['inputs']) => ends.some(end => end.name === name)
  const identity = graph.nodes.find(n => n.outputs[0] === to)!
  const from = identity.inputs[0]!
  const reachesOut = isEnd(to, graph.outputs)
  if (reachesOut && (isEnd(from, graph.inputs) || isEnd(from, graph.outputs))) return graph
  const [gone, kept] = reachesOut ? [from, to] : [to, from]
  const rename = (name: string) => (name === gone ? kept : name)
  const nodes = graph.nodes.filter(n => n !== identity).map(n => ({ ...n, inputs: n.inputs.map(rename), outputs: n.outputs.map(rename) }))
  return { ...graph, nodes }
}
