import type { OnnxAttribute, OnnxNode, OnnxTensor } from '../onnx-file.js'
import type { Box } from './box.js'

/** A value of a graph for a picture of a certain size, as far as it can be told without running anything. */
export interface Traced {
  shape: number[]
  /** Its elements, where they are known and of use: shapes, sizes, axes. */
  numbers?: Numbers
}

export interface Numbers {
  data: ArrayLike<number>
  /** Division truncates. */
  integer: boolean
}

/** One node, as a rule sees it. */
export interface Call {
  node: OnnxNode
  /** undefined where an optional input is left out. */
  inputs: (Traced | undefined)[]
  /** Version of the operators of the node's domain. */
  opset: number
}

export interface Outcome {
  outputs: Traced[]
  /** What a part of an output is made of: a part of each input, or of the first ones; it may stick out over their edges. */
  sources(part: Box, output: number): (Box | undefined)[]
  /** Multiply-adds of convolutions and matrix products. */
  multiplyAdds?: number
}

export type Rule = (call: Call) => Outcome

/** Why a graph cannot be followed to its end. */
export class Untraceable extends Error {}

/** The only answer of a node. */
export function one(shape: number[], sources: (part: Box) => (Box | undefined)[], numbers?: Numbers): Outcome {
  return { outputs: [value(shape, numbers)], sources }
}

/** What depends on no picture. */
export function fixed(shape: number[], numbers?: Numbers): Outcome {
  return one(shape, () => [], numbers)
}

/** More than that is no shape and no list of positions. */
export const MOST_NUMBERS = 2 ** 15

export function value(shape: number[], numbers?: Numbers): Traced {
  return numbers && numbers.data.length <= MOST_NUMBERS ? { shape, numbers } : { shape }
}

export function constantOf({ dims, count, type, external, read }: OnnxTensor): Traced {
  const known = count <= MOST_NUMBERS && external === undefined && KINDS.test(type)
  return value(dims, known ? { data: read(), integer: !/float/.test(type) } : undefined)
}
const KINDS = /^(u?int(8|16|32|64)|bool|float(16|32|64))$/

export function input({ node, inputs }: Call, i: number): Traced {
  const value = inputs[i]
  if (!value) throw new Untraceable(`${node.op} lacks its input ${i + 1}`)
  return value
}

/** The elements of an input that must be known. */
export function known(call: Call, i: number): number[] {
  const { numbers } = input(call, i)
  if (!numbers) throw new Untraceable(`${call.node.op} with an input ${i + 1} that is computed from the picture`)
  return Array.from(numbers.data)
}

/** What is an attribute in old operator sets and an input in newer ones; undefined where it is left out. */
export function attributeOrInput(call: Call, name: string, i: number): number[] | undefined {
  return ints(call, name) ?? (call.inputs[i] ? known(call, i) : undefined)
}

export const attribute = ({ node }: Call, name: string): OnnxAttribute | undefined => node.attributes[name]

export function int(call: Call, name: string): number | undefined {
  const value = attribute(call, name)
  return typeof value === 'number' ? value : undefined
}

export function ints(call: Call, name: string): number[] | undefined {
  const value = attribute(call, name)
  return Array.isArray(value) ? (value as number[]) : undefined
}

export function text(call: Call, name: string): string | undefined {
  const value = attribute(call, name)
  return typeof value === 'string' ? value : undefined
}

/** An axis counted from the end where it is negative. */
export const fromStart = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)

/** A shape lined up at the end with one of more dimensions. */
export const lined = <T>(shape: T[], rank: number, one: T): T[] => [...Array<T>(rank - shape.length).fill(one), ...shape]
