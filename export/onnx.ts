import onnxProto from 'onnx-proto'
import type { Attribute, Constant, Graph, Node, Value } from './graph.js'

const { onnx } = onnxProto

/** Old enough for every provider of ONNX Runtime, WebAssembly and WebGPU included. */
const OPSET = 17
const IR_VERSION = 8

/**
 * The bytes of a `.onnx` file.
 * Format: https://github.com/onnx/onnx/blob/v1.12.0/onnx/onnx.proto
 */
export function serialize(graph: Graph): Uint8Array {
  const model = onnx.ModelProto.create({
    irVersion: IR_VERSION,
    opsetImport: [{ domain: '', version: OPSET }],
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

function nodeProto(node: Node, index: number) {
  return {
    // A name that tells a profile's reader where in the network the time goes.
    name: `${index}_${node.op}`,
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
  const { DataType } = onnx.TensorProto
  const dataType = constant.type === 'float32' ? DataType.FLOAT : DataType.INT64
  return { name, dims: constant.dims, dataType, rawData: littleEndian(constant) }
}

function littleEndian(constant: Constant): Uint8Array {
  const size = constant.type === 'float32' ? 4 : 8
  const bytes = new Uint8Array(constant.data.length * size)
  const view = new DataView(bytes.buffer)
  for (let i = 0; i < constant.data.length; i++) {
    if (constant.type === 'float32') view.setFloat32(i * 4, constant.data[i]!, true)
    else view.setBigInt64(i * 8, BigInt(constant.data[i]!), true)
  }
  return bytes
}

function valueProto(value: Value) {
  const { DataType } = onnx.TensorProto
  const elemType = value.type === 'float32' ? DataType.FLOAT : DataType.UINT8
  const dim = value.dims.map(d => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }))
  return { name: value.name, type: { tensorType: { elemType, shape: { dim } } } }
}
