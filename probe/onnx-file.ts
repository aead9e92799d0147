import onnxProto, { type onnx as Proto } from 'onnx-proto'
import { UprezError } from '../errors.js'
import { fromHalf } from '../half.js'

/**
 * What a `.onnx` file says, whoever wrote it: to be read, never to be written back (fields that are newer than this reader
 * would be lost). Values are known by name, as in the file.
 * Format: https://github.com/onnx/onnx/blob/v1.17.0/docs/IR.md
 */
export interface OnnxFile {
  /** Program and its version, as far as told. */
  producer: string
  irVersion: number
  /** By domain; "" is ONNX' own. */
  opsets: Record<string, number>
  name: string
  /** Without those that only give an initializer another value. */
  inputs: OnnxValue[]
  outputs: OnnxValue[]
  /** In an order in which they can run. */
  nodes: OnnxNode[]
  initializers: Map<string, OnnxTensor>
  metadata: Record<string, string>
}

export interface OnnxValue {
  name: string
  /** float32, float16, uint8, …; "sequence" and the like for what is no tensor. */
  type: string
  /** A number is fixed, a name is free, "" is free without a name; undefined: not even how many there are is told. */
  dims: (number | string)[] | undefined
}

export interface OnnxNode {
  op: string
  /** "" is ONNX' own. */
  domain: string
  name: string
  /** An empty name stands for an optional input that is left out. */
  inputs: string[]
  outputs: string[]
  attributes: Record<string, OnnxAttribute>
}

/** Integers come as numbers. A graph that a node carries (If, Loop) is not looked into. */
export type OnnxAttribute = number | string | number[] | string[] | OnnxTensor | 'a graph'

export interface OnnxTensor {
  type: string
  dims: number[]
  /** Number of elements. */
  count: number
  /** The file that holds the data, relative to this one, where it is not in this one. */
  external: string | undefined
  /** The elements; half floats as the numbers that they are, booleans as 0 and 1. @throws UprezError `invalid-onnx` where they are external or of another kind */
  read(): ArrayLike<number>
}

/** More than a protobuf message can hold. */
const LARGEST = 2 ** 31

/** TensorProto.DataType: name and bytes of an element (0: not a fixed number of whole bytes). */
const TYPES: Record<number, [name: string, bytes: number]> = {
  1: ['float32', 4],
  2: ['uint8', 1],
  3: ['int8', 1],
  4: ['uint16', 2],
  5: ['int16', 2],
  6: ['int32', 4],
  7: ['int64', 8],
  8: ['string', 0],
  9: ['bool', 1],
  10: ['float16', 2],
  11: ['float64', 8],
  12: ['uint32', 4],
  13: ['uint64', 8],
  14: ['complex64', 8],
  15: ['complex128', 16],
  16: ['bfloat16', 2],
  17: ['float8e4m3fn', 1],
  18: ['float8e4m3fnuz', 1],
  19: ['float8e5m2', 1],
  20: ['float8e5m2fnuz', 1],
  21: ['uint4', 0],
  22: ['int4', 0],
  23: ['float4e2m1', 0],
}

/**
 * Reads the bytes of a `.onnx` file.
 * @param where its name, for messages
 * @throws UprezError `invalid-onnx`: no ONNX file, damaged or cut off, or without a graph
 */
export function readOnnx(bytes: Uint8Array, where: string): OnnxFile {
  if (bytes.length === 0 || bytes.length >= LARGEST) throw invalid(where, 'a file of 1 byte to 2 GiB', `${bytes.length} bytes`)
  const model = decode(bytes, where)
  const { graph } = model
  if (!graph || graph.node!.length === 0) throw invalid(where, 'an ONNX model', 'no graph with nodes in it')
  const initializers = new Map(graph.initializer!.map(tensor => [tensor.name!, tensorOf(tensor, where)]))
  const file: OnnxFile = {
    producer: [model.producerName, model.producerVersion].filter(text => text !== '').join(' '),
    irVersion: Number(model.irVersion),
    opsets: Object.fromEntries(model.opsetImport.map(({ domain, version }) => [ownDomain(domain!), Number(version)])),
    name: graph.name!,
    inputs: graph.input!.map(portOf).filter(({ name }) => !initializers.has(name)),
    outputs: graph.output!.map(portOf),
    nodes: graph.node!.map(node => nodeOf(node, where)),
    initializers,
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key!, value!])),
  }
  demandWhole(file, where)
  return file
}

function decode(bytes: Uint8Array, where: string): Proto.ModelProto {
  try {
    return onnxProto.onnx.ModelProto.decode(bytes)
  } catch (cause) {
    throw invalid(where, 'an ONNX model', `other, damaged or cut-off bytes (${(cause as Error).message})`, cause)
  }
}

/** Bytes cut off between two fields still decode: then something is used that nothing makes. */
function demandWhole({ inputs, outputs, nodes, initializers }: OnnxFile, where: string): void {
  const known = new Set(['', ...inputs.map(({ name }) => name), ...initializers.keys()])
  for (const { op, inputs, outputs } of nodes) {
    const missing = inputs.find(name => !known.has(name))
    if (missing !== undefined) throw invalid(where, 'a whole graph', `a node ${op} that reads ${missing}, which nothing makes before it`)
    for (const name of outputs) known.add(name)
  }
  if (outputs.length === 0) throw invalid(where, 'a whole graph', 'no output')
  const missing = outputs.find(({ name }) => !known.has(name))
  if (missing) throw invalid(where, 'a whole graph', `an output ${missing.name} that nothing makes`)
}

function portOf({ name, type }: Proto.IValueInfoProto): OnnxValue {
  const tensor = type?.tensorType
  if (!tensor) return { name: name!, type: type?.sequenceType ? 'sequence' : type?.mapType ? 'map' : 'unknown', dims: undefined }
  const dims = tensor.shape?.dim?.map(({ dimValue, dimParam }) => (Number(dimValue ?? 0) > 0 ? Number(dimValue) : (dimParam ?? '')))
  return { name: name!, type: typeName(tensor.elemType!), dims }
}

function nodeOf({ opType, domain, name, input, output, attribute }: Proto.INodeProto, where: string): OnnxNode {
  const attributes = Object.fromEntries(attribute!.map(given => [given.name!, attributeOf(given, where)]))
  return { op: opType!, domain: ownDomain(domain!), name: name!, inputs: input!, outputs: output!, attributes }
}

function attributeOf(given: Proto.IAttributeProto, where: string): OnnxAttribute {
  const { AttributeType } = onnxProto.onnx.AttributeProto
  switch (given.type) {
    case AttributeType.FLOAT:
      return given.f!
    case AttributeType.INT:
      return Number(given.i)
    case AttributeType.STRING:
      return textOf(given.s!)
    case AttributeType.TENSOR:
      return tensorOf(given.t!, where)
    case AttributeType.FLOATS:
      return given.floats!
    case AttributeType.INTS:
      return given.ints!.map(Number)
    case AttributeType.STRINGS:
      return given.strings!.map(textOf)
    default:
      return 'a graph'
  }
}

function tensorOf(tensor: Proto.ITensorProto, where: string): OnnxTensor {
  const dims = tensor.dims!.map(Number)
  const [type, size] = TYPES[tensor.dataType!] ?? [`type ${tensor.dataType}`, 0]
  const count = dims.reduce((product, dim) => product * dim, 1)
  const external = isExternal(tensor) ? (tensor.externalData!.find(({ key }) => key === 'location')?.value ?? 'another file') : undefined
  const raw = tensor.rawData!
  const typed = typedData(tensor, type)
  const held = raw.length > 0 ? raw.length / size : typed.length
  if (external === undefined && size > 0 && held !== count) {
    throw invalid(where, `${count} elements in ${tensor.name || 'a constant'} (${dims.join('×')} ${type})`, String(held))
  }
  return {
    type,
    dims,
    count,
    external,
    read: () => {
      const read = READERS[type]
      if (external !== undefined || !read) throw invalid(where, `readable numbers in ${tensor.name}`, external ?? type)
      if (raw.length === 0) return type === 'float16' ? Array.from(typed, fromHalf) : typed
      const view = new DataView(raw.buffer, raw.byteOffset, raw.length)
      return Array.from({ length: count }, (_, i) => read(view, i * size))
    },
  }
}

const isExternal = ({ dataLocation }: Proto.ITensorProto) => dataLocation === onnxProto.onnx.TensorProto.DataLocation.EXTERNAL

/** The elements of a tensor without raw data; small integers, booleans and the bits of half floats lie in int32_data. */
function typedData({ floatData, int32Data, int64Data, doubleData, uint64Data }: Proto.ITensorProto, type: string): number[] {
  if (type === 'float32' || type === 'complex64') return floatData!
  if (type === 'float64' || type === 'complex128') return doubleData!
  if (type === 'int64') return int64Data!.map(Number)
  if (type === 'uint64' || type === 'uint32') return uint64Data!.map(Number)
  return int32Data!
}

const READERS: Record<string, (view: DataView, at: number) => number> = {
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
  float16: (view, at) => fromHalf(view.getUint16(at, true)),
  uint8: (view, at) => view.getUint8(at),
  int8: (view, at) => view.getInt8(at),
  bool: (view, at) => view.getUint8(at),
  uint16: (view, at) => view.getUint16(at, true),
  int16: (view, at) => view.getInt16(at, true),
  int32: (view, at) => view.getInt32(at, true),
  uint32: (view, at) => view.getUint32(at, true),
  int64: (view, at) => Number(view.getBigInt64(at, true)),
  uint64: (view, at) => Number(view.getBigUint64(at, true)),
}

const typeName = (code: number): string => TYPES[code]?.[0] ?? `type ${code}`
const ownDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain)
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

function invalid(where: string, expected: string, got: string, cause?: unknown): UprezError {
  return new UprezError('invalid-onnx', `${where}: expected ${expected}, got ${got}`, { param: 'file', expected, got, cause })
}
