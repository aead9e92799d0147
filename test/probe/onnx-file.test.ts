import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import onnxProto from 'onnx-proto'
import { type Attribute, type Constant, type Graph, node } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { fromHalf, toHalf } from '../../half.js'
import { type OnnxTensor, readOnnx } from '../../probe/onnx-file.js'
import { nearestGraph } from '../support/model.js'

const { onnx } = onnxProto
const { DataType, DataLocation } = onnx.TensorProto

const read = (graph: Graph) => readOnnx(serialize(graph), 'test.onnx')
const plain = { opsetImport: [{ domain: '', version: 17 }], irVersion: 8 }
const relu = { opType: 'Relu', input: ['x'], output: ['y'] }
const ports = { name: 'g', input: [{ name: 'x' }], output: [{ name: 'y' }] }
const encode = (graph: object, more: object = {}) => onnx.ModelProto.encode(onnx.ModelProto.create({ ...plain, graph, ...more })).finish()
const invalid = (bytes: Uint8Array, message?: RegExp) =>
  assert.throws(() => readOnnx(bytes, 'x.onnx'), { code: 'invalid-onnx', ...(message && { message }) })

test('what our own writer writes comes back', () => {
  const file = read({ ...nearestGraph(2), metadata: { id: 'a', scale: '2' } })
  assert.deepEqual([file.producer, file.irVersion, file.opsets, file.metadata], ['uprez', 8, { '': 17 }, { id: 'a', scale: '2' }])
  assert.deepEqual(file.inputs, [{ name: 'input', type: 'float32', dims: ['batch', 3, 'height', 'width'] }])
  assert.deepEqual(
    file.nodes.map(({ op, inputs, outputs, attributes }) => ({ op, inputs, outputs, attributes })),
    [
      { op: 'Concat', inputs: Array(4).fill('input'), outputs: ['repeated'], attributes: { axis: 1 } },
      { op: 'DepthToSpace', inputs: ['repeated'], outputs: ['output'], attributes: { blocksize: 2, mode: 'DCR' } },
    ],
  )
})

test('every attribute comes back as the number or text that it is', () => {
  const int = fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 })
  const float = fc.float({ noNaN: true })
  const attribute = fc.oneof(
    int.map(value => [{ int: value } as Attribute, value] as const),
    float.map(value => [{ float: value } as Attribute, value] as const),
    fc.array(int, { maxLength: 5 }).map(value => [{ ints: value } as Attribute, value] as const),
    fc.array(float, { maxLength: 5 }).map(value => [{ floats: value } as Attribute, value] as const),
    fc.string().map(value => [{ string: value } as Attribute, value] as const),
  )
  fc.assert(
    fc.property(attribute, ([written, expected]) => {
      const file = read({ ...nearestGraph(1), nodes: [node('Custom', ['input'], ['output'], { a: written })] })
      assert.deepEqual(file.nodes[0]!.attributes.a, expected)
    }),
  )
})

test('constants of every type come back, from raw bytes and from lists of numbers', () => {
  const constants: Record<string, Constant> = {
    a: { type: 'float32', dims: [2], data: Float32Array.of(0.5, -3) },
    b: { type: 'float16', dims: [2], data: Uint16Array.of(toHalf(0.25), toHalf(-65_504)) },
    c: { type: 'uint8', dims: [2, 1], data: Uint8Array.of(0, 255) },
    d: { type: 'int8', dims: [2], data: Int8Array.of(-128, 127) },
    e: { type: 'int32', dims: [1], data: Int32Array.of(-(2 ** 31)) },
    f: { type: 'int64', dims: [], data: [-(2 ** 40)] },
  }
  const { initializers } = read({ ...nearestGraph(1), initializers: new Map(Object.entries(constants)) })
  const told = Object.fromEntries(
    [...initializers].map(([name, tensor]) => [name, [tensor.type, tensor.dims, [...Array.from(tensor.read())]]]),
  )
  assert.deepEqual(told, {
    a: ['float32', [2], [0.5, -3]],
    b: ['float16', [2], [0.25, -65_504]],
    c: ['uint8', [2, 1], [0, 255]],
    d: ['int8', [2], [-128, 127]],
    e: ['int32', [1], [-(2 ** 31)]],
    f: ['int64', [], [-(2 ** 40)]],
  })
  const listed = [
    { name: 'a', dataType: DataType.FLOAT, dims: [2], floatData: [0.5, -3] },
    { name: 'b', dataType: DataType.FLOAT16, dims: [1], int32Data: [toHalf(0.25)] },
    { name: 'c', dataType: DataType.BOOL, dims: [2], int32Data: [1, 0] },
    { name: 'd', dataType: DataType.INT64, dims: [1], int64Data: [-7] },
    { name: 'e', dataType: DataType.DOUBLE, dims: [1], doubleData: [1e100] },
  ]
  const lists = readOnnx(encode({ ...ports, node: [relu], initializer: listed }), 'x.onnx').initializers
  assert.deepEqual(
    [...lists.values()].map((tensor: OnnxTensor) => Array.from(tensor.read())),
    [[0.5, -3], [0.25], [1, 0], [-7], [1e100]],
  )
})

test('weights in another file, operators of another domain and graphs in a node are told', () => {
  const external = {
    name: 'w',
    dataType: DataType.FLOAT,
    dims: [4],
    dataLocation: DataLocation.EXTERNAL,
    externalData: [{ key: 'location', value: 'weights.bin' }],
  }
  const branch = { name: 'then_branch', type: onnx.AttributeProto.AttributeType.GRAPH, g: { name: 'inner' } }
  const nodes = [relu, { opType: 'Mystery', domain: 'org.example', input: ['y'], output: ['z'], attribute: [branch] }]
  const file = readOnnx(encode({ ...ports, node: nodes, initializer: [external] }), 'x.onnx')
  assert.equal(file.initializers.get('w')!.external, 'weights.bin')
  assert.throws(() => file.initializers.get('w')!.read(), { code: 'invalid-onnx' })
  assert.deepEqual([file.nodes[1]!.domain, file.nodes[1]!.attributes.then_branch], ['org.example', 'a graph'])
})

test('an input that only gives a constant another value is no input', () => {
  const weight = { name: 'w', dataType: DataType.FLOAT, dims: [1], floatData: [1] }
  const file = readOnnx(encode({ ...ports, input: [{ name: 'w' }, { name: 'x' }], node: [relu], initializer: [weight] }), 'x.onnx')
  assert.deepEqual(
    file.inputs.map(({ name }) => name),
    ['x'],
  )
})

test('what is no ONNX file, or not all of one, is refused', () => {
  invalid(new Uint8Array(0), /1 byte/)
  invalid(new TextEncoder().encode('This is not a model but a text of two hundred bytes. '.repeat(4)))
  invalid(onnx.ModelProto.encode(onnx.ModelProto.create(plain)).finish(), /no graph/)
  invalid(encode({ ...ports, node: [] }), /no graph/)
  invalid(encode({ ...ports, node: [{ ...relu, input: ['lost'] }] }), /Relu that reads lost/)
  invalid(encode({ ...ports, node: [{ ...relu, output: ['other'] }] }), /output y/)
  const short = { name: 'w', dataType: DataType.FLOAT, dims: [3], rawData: new Uint8Array(8) }
  invalid(encode({ ...ports, node: [relu], initializer: [short] }), /3 elements in w/)
})

test('a file cut off anywhere is refused, or lacks nothing that its graph needs', () => {
  const whole = serialize({ ...nearestGraph(2), metadata: { id: 'a' } })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: whole.length - 1 }), length => {
      try {
        assert.equal(readOnnx(whole.subarray(0, length), 'x.onnx').nodes.length, 2)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'invalid-onnx')
      }
    }),
  )
})

test('a half float is the nearest one, ties to even', () => {
  for (let bits = 0; bits < 65_536; bits++) if (!Number.isNaN(fromHalf(bits))) assert.equal(toHalf(fromHalf(bits)), bits)
  assert.deepEqual(
    [toHalf(1 + 2 ** -11), toHalf(1 + 3 * 2 ** -11), toHalf(2 ** -25), toHalf(65_519.9), toHalf(65_520), toHalf(Number.NaN)],
    [...[0x3c00, 0x3c02, 0, 0x7bff, 0x7c00, 0x7e00]],
  )
})
