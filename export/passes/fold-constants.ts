import { type Constant, type Graph, type Node, TYPE_CODES } from '../graph.js'
import { intOf, intsOf } from './attributes.js'
import { rewrite } from './rewrite.js'

/** What is made of constants alone becomes a constant. */
export function foldConstants(graph: Graph): Graph {
  return rewrite(graph, (node, draft) => {
    const [output] = node.outputs as [string]
    const inputs = node.inputs.map(name => draft.constant(name)).filter(constant => constant !== undefined)
    const known = inputs.length === node.inputs.length && inputs.every(({ type }) => NUMBERS.includes(type)) && !draft.isOutput(output)
    const folded = known ? FOLDS[node.op]?.(inputs, node) : undefined
    const constant = folded && constantOf(folded)
    if (!constant) return undefined
    draft.define(output, constant)
    return []
  })
}

/** Types whose data are the numbers themselves, and can hold what is worked out here. */
const NUMBERS: Constant['type'][] = ['float32', 'int32', 'int64']

interface Numbers {
  type: Constant['type']
  dims: number[]
  data: ArrayLike<number>
}

const FOLDS: Record<string, (inputs: Numbers[], node: Node) => Numbers> = {
  Identity: ([x]) => x!,
  Cast: ([x], node) => cast(x!, Object.entries(TYPE_CODES).find(([, code]) => code === intOf(node, 'to', 1))![0] as Constant['type']),
  Reshape: ([x, shape]) => ({ ...x!, dims: reshaped(x!.dims, Array.from(shape!.data)) }),
  Unsqueeze: ([x, axes]) => ({ ...x!, dims: unsqueezed(x!.dims, Array.from(axes!.data)) }),
  Transpose: ([x], node) => {
    const order = intsOf(node, 'perm', [...x!.dims.keys()].reverse())
    const steps = stepsOf(x!.dims)
    return {
      ...x!,
      ...strided(
        x!,
        order.map(axis => x!.dims[axis]!),
        order.map(axis => steps[axis]!),
      ),
    }
  },
  Concat: (inputs, node) => concatenated(inputs, intOf(node, 'axis', 0)),
  Add: ([a, b]) => broadcast(a!, b!, (x, y) => x + y),
  Sub: ([a, b]) => broadcast(a!, b!, (x, y) => x - y),
  Mul: ([a, b]) => broadcast(a!, b!, (x, y) => x * y),
  Div: ([a, b]) => broadcast(a!, b!, (x, y) => (a!.type === 'float32' ? x / y : Math.trunc(x / y))),
}

function constantOf({ type, dims, data }: Numbers): Constant | undefined {
  if (type === 'float32') return { type, dims, data: Float32Array.from(data) }
  if (type === 'int32') return { type, dims, data: Int32Array.from(data) }
  return type === 'int64' ? { type, dims, data: Array.from(data) } : undefined
}

function cast(x: Numbers, type: Constant['type']): Numbers {
  return { type, dims: x.dims, data: type === 'float32' ? x.data : Array.from(x.data, Math.trunc) }
}

/** 0 keeps a size, −1 takes what is left. */
function reshaped(dims: number[], shape: number[]): number[] {
  const kept = shape.map((size, i) => (size === 0 ? dims[i]! : size))
  const rest = product(dims) / -product(kept)
  return kept.map(size => (size === -1 ? rest : size))
}

function unsqueezed(dims: number[], axes: number[]): number[] {
  const rank = dims.length + axes.length
  const added = new Set(axes.map(axis => (axis < 0 ? axis + rank : axis)))
  const sizes = dims.values()
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : sizes.next().value!))
}

function concatenated(inputs: Numbers[], axis: number): Numbers {
  const [{ type, dims }] = inputs as [Numbers]
  const along = axis < 0 ? axis + dims.length : axis
  const data: number[] = []
  for (let block = 0; block < product(dims.slice(0, along)); block++) {
    for (const input of inputs) {
      const size = product(input.dims.slice(along))
      for (let i = 0; i < size; i++) data.push(input.data[block * size + i]!)
    }
  }
  const total = inputs.reduce((sum, input) => sum + input.dims[along]!, 0)
  return { type, dims: dims.with(along, total), data }
}

/** Sizes are counted from the last axis, and 1 goes with any. */
function broadcast(a: Numbers, b: Numbers, combine: (x: number, y: number) => number): Numbers {
  const rank = Math.max(a.dims.length, b.dims.length)
  const [one, other] = [a, b].map(({ dims }) => [...Array<number>(rank - dims.length).fill(1), ...dims]) as [number[], number[]]
  const dims = one.map((size, axis) => (size === 1 ? other[axis]! : size))
  const spread = (x: Numbers, own: number[]) =>
    strided(
      x,
      dims,
      stepsOf(own).map((step, axis) => (own[axis] === 1 ? 0 : step)),
    ).data
  const second = spread(b, other)
  return { type: a.type, dims, data: spread(a, one).map((x, i) => combine(x, second[i]!)) }
}

/** Numbers in the order of `dims`, each axis going so many steps through them. */
function strided({ data }: Numbers, dims: number[], steps: number[]): { dims: number[]; data: number[] } {
  const places = dims.reduce(
    (starts, size, axis) => starts.flatMap(at => Array.from({ length: size }, (_, i) => at + i * steps[axis]!)),
    [0],
  )
  return { dims, data: places.map(at => data[at]!) }
}

const stepsOf = (dims: number[]): number[] => dims.map((_, axis) => product(dims.slice(axis + 1)))

const product = (sizes: number[]): number => sizes.reduce((a, b) => a * b, 1)
