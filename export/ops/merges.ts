import { ints, scalar } from '../graph.js'
import { graphAxis, transpose } from './axes.js'
import type { LayerCall, Op, Shape } from './call.js'
import { unsupported } from './call.js'

/** Each with the next, as an op of two inputs. */
const pairwise =
  (op: string): Op =>
  call =>
    aligned(call).reduce((sum, input) => call.add(op, [sum, input]))

/** All at once. */
const together =
  (op: string): Op =>
  call =>
    call.add(op, aligned(call))

const average: Op = call => call.add('Mul', [pairwise('Add')(call), call.constant('share', scalar(1 / call.inputs.length))])

const concatenate: Op = call => {
  const axis = call.config.axis as number
  // tfjs takes any axis below 0 for the last, whatever shape it states.
  if (axis < -1) throw unsupported(call.layer, `expected axis -1, or one counted from the first, got ${axis}`)
  return call.add('Concat', call.inputs, { axis: { int: graphAxis(axis, call.inputShape.length) } })
}

/**
 * A product of matrices, of one vector or one matrix an example each, summed along one axis of both; `normalize`: of unit vectors along
 * that axis.
 */
const dot: Op = call => {
  const ranks = call.inputShapes.map(({ length }) => length) as [number, number]
  const axes = [call.config.axes].flat() as number[]
  const summed = ranks.map((rank, i) => ((axes[i] ?? axes[0]!) + rank) % rank) as [number, number]
  if (summed.includes(0)) throw unsupported(call.layer, 'expected axes other than 0, the batch')
  const operands = call.inputs.map((input, i) => (call.config.normalize ? unitVectors(call, input, summed[i]!) : input))

  // tfjs' values are [n, summed], [n, summed, free] or [n, free, summed]; here [n, free, summed] times [n, summed, free].
  const [left, right] = operands as [string, string]
  const rows = ranks[0] === 2 ? unsqueeze(call, left, 1) : summed[0] === 2 ? left : transpose(call, left, [0, 2, 1])
  const columns = ranks[1] === 2 ? unsqueeze(call, right, 2) : summed[1] === 1 ? right : transpose(call, right, [0, 2, 1])
  const product = call.add('MatMul', [rows, columns])
  // Of two vectors a column of one number is left, as in tfjs.
  if (ranks[1] === 2) return call.add('Squeeze', [product, call.constant('axes', ints([2]))])
  return ranks[0] === 2 ? call.add('Squeeze', [product, call.constant('axes', ints([1]))]) : product
}

/** tfjs takes the root of at least 1e-7. */
function unitVectors(call: LayerCall, x: string, axis: number): string {
  const norm = call.add('ReduceL2', [x], { axes: { ints: [axis] } })
  return call.add('Div', [x, call.add('Max', [norm, call.constant('least', scalar(Math.sqrt(1e-7)))])])
}

function unsqueeze(call: LayerCall, x: string, ...axes: number[]): string {
  return call.add('Unsqueeze', [x, call.constant('axes', ints(axes))])
}

/** The input beside itself along the channels, `times` times. */
const repeatChannels = (call: LayerCall) =>
  call.add('Concat', Array<string>(call.config.times as number).fill(call.inputs[0]!), { axis: { int: 1 } })

export const mergeOps: Record<string, Op> = {
  Add: pairwise('Add'),
  Subtract: pairwise('Sub'),
  Multiply: pairwise('Mul'),
  Average: average,
  Maximum: together('Max'),
  Minimum: together('Min'),
  Dot: dot,
  Concatenate: concatenate,
  RepeatChannels: repeatChannels,
}

/** tfjs gives an input of fewer dimensions new ones behind the batch; sizes of 1 repeat. */
function aligned(call: LayerCall): string[] {
  const rank = Math.max(...call.inputShapes.map(({ length }) => length))
  return call.inputs.map((input, i) => withRank(call, input, call.inputShapes[i]!, rank))
}

function withRank(call: LayerCall, x: string, { length }: Shape, rank: number): string {
  if (length === rank) return x
  if (rank > 4) throw unsupported(call.layer, `cannot merge ${length} with ${rank} dimensions`)
  if (rank === 3) return unsqueeze(call, x, 1)
  // [n, channels] and [n, columns, channels] beside NCHW.
  return length === 2 ? unsqueeze(call, x, 2, 3) : unsqueeze(call, transpose(call, x, [0, 2, 1]), 2)
}
