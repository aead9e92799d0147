import type { OnnxFile, OnnxNode } from './onnx-file.js'

/** Inputs that hold what was learned, by operator. A batch norm's moving mean and variance were not. */
const LEARNED: Record<string, number[]> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  ConvInteger: [1],
  QLinearConv: [3, 8],
  FusedConv: [1, 2],
  Gemm: [0, 1, 2],
  MatMul: [0, 1],
  MatMulInteger: [0, 1],
  QLinearMatMul: [0, 3],
  PRelu: [1],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  GroupNormalization: [1, 2],
  RMSNormalization: [1],
  Add: [0, 1],
  Sub: [0, 1],
  Mul: [0, 1],
  Div: [0, 1],
  Gather: [0],
}
/** What a weight may go through before it is used. */
const CARRIED = ['Identity', 'Cast', 'DequantizeLinear', 'Transpose', 'Reshape', 'Unsqueeze', 'Squeeze', 'Constant']

/**
 * Numbers in the graph that were learned, or could have been: constants of more than one element where weights stand. Frozen kernels
 * cannot be told from learned ones.
 */
export function countParameters({ nodes, initializers }: OnnxFile): number {
  const makers = new Map(nodes.flatMap(node => node.outputs.map(name => [name, node] as const)))
  const counted = new Map<string, number>()
  for (const { op, inputs } of nodes) {
    for (const i of LEARNED[op] ?? []) {
      const found = inputs[i] === undefined ? undefined : source(inputs[i])
      if (found && (found.count > 1 || !ARITHMETIC.includes(op))) counted.set(found.name, found.count)
    }
  }
  return [...counted.values()].reduce((sum, count) => sum + count, 0)

  /** The constant behind a value. */
  function source(name: string): { name: string; count: number } | undefined {
    const tensor = initializers.get(name) ?? constantOf(makers.get(name))
    if (tensor) return { name, count: tensor.count }
    const maker = makers.get(name)
    return maker && CARRIED.includes(maker.op) && maker.inputs[0] ? source(maker.inputs[0]) : undefined
  }
}

/** There a single number is more likely to be a factor of somebody's than a weight. */
const ARITHMETIC = ['Add', 'Sub', 'Mul', 'Div', 'Gather']

function constantOf(node: OnnxNode | undefined) {
  const value = node?.op === 'Constant' ? node.attributes.value : undefined
  return typeof value === 'object' && 'read' in value ? value : undefined
}

/** Types of the constants that numbers are computed with, and how many elements are of each. */
export function weightTypes({ nodes, initializers }: OnnxFile): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const tensor of [...initializers.values(), ...nodes.map(constantOf)]) {
    if (tensor && COMPUTED.test(tensor.type)) counts[tensor.type] = (counts[tensor.type] ?? 0) + tensor.count
  }
  return Object.fromEntries(Object.entries(counts).sort(([, a], [, b]) => b - a))
}

/** int32 and int64 are shapes and axes, or the few biases beside int8. */
const COMPUTED = /float|^u?int[48]$/
