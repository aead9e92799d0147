/**
 * A network as plain data, in ONNX terms (pictures NCHW). The reader fills it, passes rewrite it,
 * `onnx.ts` writes it. Values are known by name; nodes stand in an order in which they can run.
 */
export interface Graph {
  name: string
  inputs: Value[]
  outputs: Value[]
  nodes: Node[]
  /** Constants by name: weights, shapes, bounds. */
  initializers: Map<string, Constant>
  /** Copied into the file's metadata_props: only what never changes. */
  metadata: Record<string, string>
  /** Version of ONNX' operators; default: see onnx.ts. */
  opset?: number
}

export type DataType = 'float32' | 'float16' | 'uint8' | 'int8' | 'int32' | 'int64' | 'bool'

/** TensorProto.DataType, as files and Cast's attribute `to` have it. */
export const TYPE_CODES: Record<DataType, number> = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10 }

export interface Value {
  name: string
  type: DataType
  /** A number is fixed, a name is free. */
  dims: (number | string)[]
}

export interface Node {
  op: string
  /** An empty name stands for an optional input that is left out. */
  inputs: string[]
  outputs: string[]
  attributes: Record<string, Attribute>
}

/** Tagged, because in JavaScript 1 and 1.0 are the same number and in ONNX they are not. */
export type Attribute = { int: number } | { float: number } | { ints: number[] } | { floats: number[] } | { string: string }

export type Constant =
  | { type: 'float32'; dims: number[]; data: Float32Array }
  /** Bit patterns of half floats. */
  | { type: 'float16'; dims: number[]; data: Uint16Array }
  | { type: 'uint8'; dims: number[]; data: Uint8Array }
  | { type: 'int8'; dims: number[]; data: Int8Array }
  | { type: 'int32'; dims: number[]; data: Int32Array }
  | { type: 'int64'; dims: number[]; data: number[] }

export function node(op: string, inputs: string[], outputs: string[], attributes: Record<string, Attribute> = {}): Node {
  return { op, inputs, outputs, attributes }
}

export function floats(dims: number[], data: ArrayLike<number>): Constant {
  return { type: 'float32', dims, data: Float32Array.from(data) }
}

export function scalar(value: number): Constant {
  return floats([], [value])
}

/** A vector of int64: a shape, pads, axes. */
export function ints(data: number[]): Constant {
  return { type: 'int64', dims: [data.length], data }
}

/** How many nodes read a value, the graph's own outputs included. */
export function readersOf(graph: Graph, name: string): number {
  const inNodes = graph.nodes.reduce((sum, n) => sum + n.inputs.filter(input => input === name).length, 0)
  return inNodes + graph.outputs.filter(output => output.name === name).length
}
