import type { Node } from '../graph.js'
import { floatOf } from './attributes.js'
import type { Draft } from './rewrite.js'

/** How a value's channels lie: along axis 1 of `rank` axes, or along the last of two or more. */
export interface Channels {
  count: number
  axis: 1 | 'last'
  rank: number
}

/** x·scale + offset, one of each a channel. */
export interface Affine {
  scale: Float64Array
  offset: Float64Array
}

/** The value that a node scales or shifts by constants, if it is such a node. */
export function affineInput({ op, inputs }: Node, draft: Draft): string | undefined {
  const [variable, ...more] = inputs.filter(input => !draft.constant(input))
  if (more.length > 0) return undefined
  return op in ARITHMETIC || (op === 'BatchNormalization' && variable === inputs[0]) ? variable : undefined
}

/** What such a node does to each channel; undefined where it does something else, or gives its answer another shape. */
export function affineOf(node: Node, draft: Draft, channels: Channels): Affine | undefined {
  if (node.op === 'BatchNormalization') return normalisation(node, draft, channels)
  const constantFirst = draft.constant(node.inputs[0]) !== undefined
  const numbers = byChannel(draft, node.inputs[constantFirst ? 0 : 1]!, channels)
  return numbers && ARITHMETIC[node.op]?.(numbers, constantFirst)
}

const ARITHMETIC: Record<string, (numbers: Float64Array, constantFirst: boolean) => Affine | undefined> = {
  Add: offset => ({ scale: offset.map(() => 1), offset }),
  Sub: (numbers, constantFirst) => ({
    scale: numbers.map(() => (constantFirst ? -1 : 1)),
    offset: constantFirst ? numbers : numbers.map(n => -n),
  }),
  Mul: scale => ({ scale, offset: scale.map(() => 0) }),
  Div: (numbers, constantFirst) =>
    constantFirst || numbers.includes(0) ? undefined : { scale: numbers.map(n => 1 / n), offset: numbers.map(() => 0) },
}

/** With s = γ/√(variance + ε) and t = β − sμ: sx + t. */
function normalisation(node: Node, draft: Draft, { count, axis }: Channels): Affine | undefined {
  const numbers = node.inputs.slice(1).map(name => draft.constant(name)!)
  if (axis !== 1 || numbers.some(n => n.type !== 'float32' || n.data.length !== count)) return undefined
  const [gamma, beta, mean, variance] = numbers.map(n => n.data as Float32Array) as [Float32Array, Float32Array, Float32Array, Float32Array]
  const epsilon = floatOf(node, 'epsilon', 1e-5)
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt(variance[c]! + epsilon))
  return { scale, offset: scale.map((s, c) => beta[c]! - s * mean[c]!) }
}

/** A constant that is one number, or one a channel. Its axes are those of the value it is broadcast to, counted from the last. */
function byChannel(draft: Draft, name: string, { count, axis, rank }: Channels): Float64Array | undefined {
  const constant = draft.constant(name)!
  if (constant.type !== 'float32' || constant.dims.length > rank) return undefined
  const channelAxis = constant.dims.length - (axis === 1 ? rank - 1 : 1)
  const fits = constant.dims.every((side, i) => side === 1 || (i === channelAxis && side === count))
  return fits ? Float64Array.from({ length: count }, (_, c) => constant.data[constant.data.length === 1 ? 0 : c]!) : undefined
}
