import onnxProto from 'onnx-proto'
import { type Attribute, type Constant, type Graph, type Node, TYPE_CODES, type Value } from './graph.js'

const { onnx } = onnxProto

/** Unless a graph says another: old enough for every provider of ONNX Runtime, WebAssembly and WebGPU included. */
const OPSET = 17
const IR_VERSION = 8

/**
 * The bytes of a `.onnx` file.
 * Format: https://github.com/onnx/onnx/blob/v1.12.0/onnx/onnx.proto
 */
export function serialize(graph: Graph): Uint8Array {
  const model = onnx.ModelProto.create({
    irVersion: IR_VERSION,
    opsetImport: [{ domain: '', version: graph.opset ?? OPSET }],
    producerName: 'uprez',
    graph: {
      name: graph.name,
      node: graph.nodes.map(nodeProto),
      initializer: [...graph.initializers].map(([name, constant]) => tensorProto(name, constant)),
      input: graph.inputs.map(valueProto),
      output: graph.outputs.map(valueProto),
    },
    metadataProps: Object.entries(graph.metadata).map(([key, value]) => ({ key, value })),
  })
  return onnx.ModelProto.encode(model).finish()
}

function nodeProto(node: Node) {
  return {
    // A name that tells a profile's reader where in the network the time goes.
    name: node.outputs[0],
    opType: node.op,
    input: node.inputs,
    output: node.outputs,
    attribute: Object.entries(node.attributes).map(([name, value]) => ({ name, ...attributeProto(value) })),
  }
}

// `type` is mandatory although protobuf would do without it, and integers must be Numbers:
// a BigInt is encoded as 0 without a word.
function attributeProto(value: Attribute) {
  const { AttributeType } = onnx.AttributeProto
  if ('int' in value) return { type: AttributeType.INT, i: value.int }
  if ('float' in value) return { type: AttributeType.FLOAT, f: value.float }
  if ('ints' in value) return { type: AttributeType.INTS, ints: value.ints }
  if ('floats' in value) return { type: AttributeType.FLOATS, floats: value.floats }
  return { type: AttributeType.STRING, s: new TextEncoder().encode(value.string) }
}

function tensorProto(name: string, constant: Constant) {
  return { name, dims: constant.dims, dataType: TYPE_CODES[constant.type], rawData: bytesOf(constant) }
}

/** ONNX wants little-endian bytes; so is every machine that onnxruntime-node and tfjs run on. */
function bytesOf({ type, data }: Constant): Uint8Array {
  const typed = type === 'int64' ? BigInt64Array.from(data, BigInt) : data
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength)
}

function valueProto(value: Value) {
  const dim = value.dims.map(d => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }))
  return { name: value.name, type: { tensorType: { elemType: TYPE_CODES[value.type], shape: { dim } } } }
}
