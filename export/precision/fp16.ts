import { toHalf } from '../../half.js'
import { type Constant, type DataType, type Graph, type Node, node, TYPE_CODES } from '../graph.js'

/** Sums over many values, and divisions by what is left of them: half floats have neither the range nor the digits. */
const ISLANDS = new Set([
  'BatchNormalization',
  'GlobalAveragePool',
  'InstanceNormalization',
  'LayerNormalization',
  'ReduceMean',
  'ReduceSum',
  'Softmax',
])

/** Inputs that are float32 whatever the precision of the data: Resize's region and scales. */
const ALWAYS_FULL: Record<string, number[]> = { Resize: [1, 2] }

/**
 * From 16 on, LeakyRelu and PRelu are defined by other ops, and those are what ONNX Runtime makes of it where it has no kernel for half floats,
 * as on CPUs: a third slower. Before, it computes it in float32, as part of the convolution. LayerNormalization is new in 17.
 */
const QUICK_OPSET = 15

const SMALLEST_NORMAL = 2 ** -14
const INFINITE = 0x7c00

/**
 * The same network with weights and activations as half floats (IEEE 754 binary16), float32 at both ends and on islands: norms,
 * softmax, means, and nodes with a constant that half floats cannot hold. A Cast stands wherever the type changes.
 */
export function toFloat16(graph: Graph): Graph {
  const nodes: Node[] = []
  const initializers: Graph['initializers'] = new Map()
  const types = new Map<string, DataType>(graph.inputs.map(({ name, type }) => [name, type]))
  const outputs = new Set(graph.outputs.map(({ name }) => name))

  for (const original of graph.nodes) {
    const wanted = isIsland(original, graph) ? 'float32' : 'float16'
    const full = ALWAYS_FULL[original.op] ?? []
    const inputs = original.inputs.map((name, i) => read(name, full.includes(i) ? 'float32' : wanted))
    const type = answerType(
      original,
      inputs.map(name => types.get(name)),
      wanted,
    )
    const halved = type === 'float16' && original.outputs.some(name => outputs.has(name))
    nodes.push({ ...original, inputs, outputs: halved ? original.outputs.map(name => named(name, 'float16')) : original.outputs })
    for (const name of original.outputs) {
      types.set(halved ? named(name, 'float16') : name, type)
      if (halved) cast(named(name, 'float16'), name, 'float32')
    }
  }
  const needsDefault = nodes.some(({ op }) => op === 'LayerNormalization')
  return { ...graph, nodes, initializers, ...(needsDefault ? {} : { opset: QUICK_OPSET }) }

  /** The name under which a value can be read as the type that is wanted; what is no float is read as it is. */
  function read(name: string, wanted: 'float32' | 'float16'): string {
    const constant = graph.initializers.get(name)
    if (constant) return readConstant(name, constant, wanted)
    const type = types.get(name)
    if ((type !== 'float32' && type !== 'float16') || type === wanted) return name
    const other = named(name, wanted)
    if (!types.has(other)) cast(name, other, wanted)
    return other
  }

  /** A constant that is read as both is there twice. */
  function readConstant(name: string, constant: Constant, wanted: 'float32' | 'float16'): string {
    const written = constant.type === 'float32' && wanted === 'float16' ? halfOf(constant) : constant
    const taken = initializers.get(name)
    const place = taken === undefined || taken.type === written.type ? name : named(name, wanted)
    initializers.set(place, written)
    types.set(place, written.type)
    return place
  }

  function cast(from: string, to: string, type: 'float32' | 'float16'): void {
    nodes.push(node('Cast', [from], [to], { to: { int: TYPE_CODES[type] } }))
    types.set(to, type)
  }
}

const named = (name: string, type: DataType): string => `${name}/${type}`

function isIsland({ op, inputs }: Node, graph: Graph): boolean {
  if (ISLANDS.has(op)) return true
  const full = ALWAYS_FULL[op] ?? []
  return inputs.some((name, i) => {
    const constant = full.includes(i) ? undefined : graph.initializers.get(name)
    return constant?.type === 'float32' && !fitsHalf(constant.data)
  })
}

/**
 * Whether half floats hold these numbers: none becomes infinite, and the largest is no subnormal, which has lost digits. That the
 * small ones among larger ones do is what rounding is.
 */
export function fitsHalf(numbers: Float32Array): boolean {
  let largest = 0
  for (const number of numbers) largest = Math.max(largest, Math.abs(number))
  return largest === 0 || (largest >= SMALLEST_NORMAL && toHalf(largest) < INFINITE)
}

function halfOf({ dims, data }: Constant & { type: 'float32' }): Constant {
  return { type: 'float16', dims, data: Uint16Array.from(data, toHalf) }
}

const COMPARISONS = new Set(['And', 'Equal', 'Greater', 'GreaterOrEqual', 'IsNaN', 'Less', 'LessOrEqual', 'Not', 'Or'])

function answerType({ op, attributes }: Node, inputs: (DataType | undefined)[], float: DataType): DataType {
  if (op === 'Cast') return Object.entries(TYPE_CODES).find(([, code]) => code === (attributes.to as { int: number }).int)![0] as DataType
  if (op === 'Shape' || op === 'Size') return 'int64'
  if (COMPARISONS.has(op)) return 'bool'
  const data = op === 'Where' ? inputs[1] : inputs[0]
  return data === 'float32' || data === 'float16' ? float : data!
}
