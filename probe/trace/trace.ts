import type { OnnxFile, OnnxNode } from '../onnx-file.js'
import { arrange } from './arrange.js'
import { type Box, hull, inside } from './box.js'
import { pointwise } from './pointwise.js'
import { reduce } from './reduce.js'
import { resizes } from './resize.js'
import { constantOf, type Outcome, type Rule, type Traced, Untraceable } from './value.js'
import { windows } from './windows.js'

/** ONNX operator → what its answer looks like and what it is made of. Adding an operator is adding a function to one of these. */
const RULES: Record<string, Rule> = { ...pointwise, ...arrange, ...windows, ...resizes, ...reduce }

/** ONNX' own operators, and those of ONNX Runtime that are theirs with something fused in. */
const DOMAINS = ['', 'com.microsoft']

export interface Trace {
  /** Shape of the first output. */
  shape: number[]
  /** Of convolutions and matrix products, by operator. */
  multiplyAdds: Map<string, number>
  /** The part of the picture that a part of the first output is made of, or a little more; undefined: it is made of none. */
  sourceOf(part: Box): Box | undefined
}

/**
 * Follows the graph from its first input to its first output for a picture of this shape, without running it.
 * @throws Untraceable naming the node, where an operator is not known here or its shape depends on more than the picture's size
 */
export function trace(file: OnnxFile, picture: number[]): Trace {
  const [input, output] = [file.inputs[0]!.name, file.outputs[0]!.name]
  const values = new Map<string, Traced>([[input, { shape: picture }]])
  const steps: { node: OnnxNode; outcome: Outcome }[] = []
  const multiplyAdds = new Map<string, number>()
  const find = (name: string): Traced | undefined => {
    const constant = values.has(name) ? undefined : file.initializers.get(name)
    if (constant) values.set(name, constantOf(constant))
    return values.get(name)
  }
  for (const node of file.nodes) {
    const rule = DOMAINS.includes(node.domain) ? RULES[node.op] : undefined
    if (!rule) throw new Untraceable(`the operator ${node.domain && `${node.domain}.`}${node.op} is not known here`)
    const outcome = rule({ node, inputs: node.inputs.map(find), opset: file.opsets[node.domain] ?? 1 })
    for (const [i, value] of outcome.outputs.entries()) if (node.outputs[i]) values.set(node.outputs[i], value)
    if (outcome.multiplyAdds) multiplyAdds.set(node.op, (multiplyAdds.get(node.op) ?? 0) + outcome.multiplyAdds)
    steps.push({ node, outcome })
  }
  const answer = find(output)
  if (!answer) throw new Untraceable(`${output} is no answer that can be followed`)
  return { shape: answer.shape, multiplyAdds, sourceOf }

  /** From the output back to the input, node by node. */
  function sourceOf(part: Box): Box | undefined {
    const wanted = new Map<string, Box>([[output, part]])
    for (const { node, outcome } of steps.toReversed()) {
      for (const [o, name] of node.outputs.entries()) {
        const box = wanted.get(name)
        if (!box) continue
        for (const [i, source] of outcome.sources(box, o).entries()) {
          const from = node.inputs[i]!
          const cut = source && values.has(from) ? inside(source, values.get(from)!.shape) : undefined
          if (cut) wanted.set(from, hull(wanted.get(from), cut))
        }
      }
    }
    return wanted.get(input)
  }
}
