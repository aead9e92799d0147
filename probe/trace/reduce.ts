import { all, type Box, product, range } from './box.js'
import { partOf } from './pointwise.js'
import { attributeOrInput, type Call, fromStart, input, int, lined, type Outcome, one, type Rule, Untraceable } from './value.js'

/** What makes one answer of many positions: sums and means along axes, norms, softmax, matrix products. */

const reduction: Rule = call => {
  const { shape } = input(call, 0)
  const given = attributeOrInput(call, 'axes', 1) ?? (int(call, 'noop_with_empty_axes') ? [] : range(shape.length))
  return reduced(call, given)
}

const argument: Rule = call => reduced(call, [int(call, 'axis') ?? 0])

const globalPooling: Rule = call => reduced(call, range(input(call, 0).shape.length).slice(2))

/** Every position along these axes depends on all of them. */
const mixing =
  (axesOf: (rank: number, axis: number | undefined, opset: number) => number[]): Rule =>
  call => {
    const { shape } = input(call, 0)
    const axes = axesOf(shape.length, int(call, 'axis'), call.opset)
    return one(shape, part => [part.map((interval, i) => (axes.includes(i) ? all(shape[i]!) : interval))])
  }

/** Before operator set 13 all axes from `axis` on are one. */
const softmax = mixing((rank, axis, opset) => {
  const start = fromStart(axis ?? (opset < 13 ? 1 : -1), rank)
  return opset < 13 ? range(rank).slice(start) : [start]
})

const fromAxis = mixing((rank, axis) => range(rank).slice(fromStart(axis ?? -1, rank)))

const matMul: Rule = call => {
  const second = MATRIX[call.node.op] ?? 1
  const [a, b] = [input(call, 0).shape, input(call, second).shape]
  const [left, right] = [a.length > 1 ? a : [1, ...a], b.length > 1 ? b : [...b, 1]]
  const rank = Math.max(left.length, right.length)
  const [rows, inner, columns] = [left.at(-2)!, left.at(-1)!, right.at(-1)!]
  if (right.at(-2) !== inner) throw new Untraceable(`${call.node.op} of ${a.join('×')} and ${b.join('×')}`)
  const [batchLeft, batchRight] = [lined(left, rank, 1), lined(right, rank, 1)].map(shape => shape.slice(0, -2)) as [number[], number[]]
  const shape = [...batchLeft.map((size, i) => Math.max(size, batchRight[i]!)), rows, columns]
  // A vector is a row on the left and a column on the right, and that dimension is not in the answer.
  const dropped = [...(a.length === 1 ? [rank - 2] : []), ...(b.length === 1 ? [rank - 1] : [])]
  const sources = (part: Box) => {
    const rest = [...part]
    const full = shape.map((_, i) => (dropped.includes(i) ? all(1) : rest.shift()!))
    const batch = full.slice(0, -2)
    const first: Box = [...partOf(batch, left.slice(0, -2)), full.at(-2)!, all(inner)]
    const other: Box = [...partOf(batch, right.slice(0, -2)), all(inner), full.at(-1)!]
    const parts: (Box | undefined)[] = call.inputs.map(() => undefined)
    parts[0] = first.slice(-a.length)
    parts[second] = b.length === 1 ? [all(inner)] : other
    return parts
  }
  const answer = shape.filter((_, i) => !dropped.includes(i))
  return { ...one(answer, sources), multiplyAdds: product(shape) * inner }
}

/** The input that holds the second matrix, where it is not the second. */
const MATRIX: Record<string, number> = { QLinearMatMul: 3 }

const gemm: Rule = call => {
  const turned = <T>(pair: T[], turn: number | undefined): T[] => (turn ? pair.toReversed() : pair)
  const [turnA, turnB] = [int(call, 'transA'), int(call, 'transB')]
  const [rows, inner] = turned(input(call, 0).shape, turnA) as [number, number]
  const [, columns] = turned(input(call, 1).shape, turnB) as [number, number]
  const bias = call.inputs[2]
  const sources = ([row, column]: Box): Box[] => [
    turned([row!, all(inner)], turnA),
    turned([all(inner), column!], turnB),
    ...(bias ? [partOf([row!, column!], bias.shape)] : []),
  ]
  return { ...one([rows, columns], sources), multiplyAdds: rows * inner * columns }
}

export const reduce: Record<string, Rule> = {
  ...Object.fromEntries(
    ['Mean', 'Sum', 'Max', 'Min', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map(kind => [`Reduce${kind}`, reduction]),
  ),
  ArgMax: argument,
  ArgMin: argument,
  GlobalAveragePool: globalPooling,
  GlobalMaxPool: globalPooling,
  GlobalLpPool: globalPooling,
  InstanceNormalization: mixing(rank => range(rank).slice(2)),
  GroupNormalization: mixing(rank => range(rank).slice(1)),
  LayerNormalization: fromAxis,
  RMSNormalization: fromAxis,
  LpNormalization: mixing((rank, axis) => [fromStart(axis ?? -1, rank)]),
  LRN: mixing(() => [1]),
  CumSum: mixing(rank => range(rank)),
  Softmax: softmax,
  LogSoftmax: softmax,
  MatMul: matMul,
  MatMulInteger: matMul,
  QLinearMatMul: matMul,
  Gemm: gemm,
}

function reduced(call: Call, given: number[]): Outcome {
  const { shape } = input(call, 0)
  const axes = given.map(axis => fromStart(axis, shape.length))
  const keep = (int(call, 'keepdims') ?? 1) === 1
  const sources = (part: Box): Box[] => {
    const rest = [...part]
    return [
      shape.map((size, i) => {
        if (!axes.includes(i)) return rest.shift()!
        if (keep) rest.shift()
        return all(size)
      }),
    ]
  }
  const answer = shape.flatMap((size, i) => (axes.includes(i) ? (keep ? [1] : []) : [size]))
  return one(answer, sources)
}
