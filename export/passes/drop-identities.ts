import type { Graph } from '../graph.js'

/** Takes Identity nodes out. One that hands an input or a constant of the graph to one of its outputs stays: both keep their names. */
export function dropIdentities(graph: Graph): Graph {
  const fixed = new Set([...graph.inputs.map(input => input.name), ...graph.initializers.keys()])
  const results = new Set(graph.outputs.map(output => output.name))
  /** What a value is the same as, and the name that a value gets from the graph's output that it is. */
  const sources = new Map<string, string>()
  const renamed = new Map<string, string>()
  const nodes = graph.nodes.filter(({ op, inputs, outputs }) => {
    if (op !== 'Identity') return true
    const from = sources.get(inputs[0]!) ?? inputs[0]!
    const to = outputs[0]!
    if (!results.has(to)) sources.set(to, from)
    else if (fixed.has(from) || results.has(from) || renamed.has(from)) return true
    else renamed.set(from, to)
    return false
  })
  if (nodes.length === graph.nodes.length) return graph
  const nameOf = (name: string) => {
    const source = sources.get(name) ?? name
    return renamed.get(source) ?? source
  }
  return { ...graph, nodes: nodes.map(n => ({ ...n, inputs: n.inputs.map(nameOf), outputs: n.outputs.map(nameOf) })) }
}
