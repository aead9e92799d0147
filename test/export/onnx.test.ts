import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import onnxProto from 'onnx-proto'
import { type Attribute, floats, type Graph, ints, node } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { nearestGraph } from '../support/model.js'

const { onnx } = onnxProto
const { AttributeType } = onnx.AttributeProto
const decode = (graph: Graph) => onnx.ModelProto.decode(serialize(graph))

test('a file says opset 17, IR 8, its free sizes by name and its metadata', () => {
  const model = decode({ ...nearestGraph(2), metadata: { id: 'a', scale: '2' } })
  assert.equal(Number(model.irVersion), 8)
  assert.deepEqual(
    model.opsetImport.map(o => [o.domain, Number(o.version)]),
    [['', 17]],
  )
  const dims = model.graph!.input![0]!.type!.tensorType!.shape!.dim!
  assert.deepEqual(
    dims.map(d => d.dimParam || Number(d.dimValue)),
    ['batch', 3, 'height', 'width'],
  )
  assert.deepEqual(
    model.metadataProps.map(p => [p.key, p.value]),
    [
      ['id', 'a'],
      ['scale', '2'],
    ],
  )
})

test('every attribute comes back with its type and value', () => {
  const int = fc.integer({ min: -(2 ** 31), max: 2 ** 31 })
  const float = fc.float({ noNaN: true, noDefaultInfinity: true })
  const attribute = fc.oneof(
    int.map(int => ({ int })),
    float.map(float => ({ float })),
    fc.array(int).map(ints => ({ ints })),
    fc.array(float).map(floats => ({ floats })),
    fc.string().map(string => ({ string })),
  )
  fc.assert(
    fc.property(attribute, (written: Attribute) => {
      const model = decode({ ...nearestGraph(2), nodes: [node('Op', ['input'], ['output'], { a: written })] })
      const a = model.graph!.node![0]!.attribute![0]!
      const read: Record<number, () => Attribute> = {
        [AttributeType.INT]: () => ({ int: Number(a.i) }),
        [AttributeType.FLOAT]: () => ({ float: a.f! }),
        [AttributeType.INTS]: () => ({ ints: a.ints!.map(Number) }),
        [AttributeType.FLOATS]: () => ({ floats: [...a.floats!] }),
        [AttributeType.STRING]: () => ({ string: new TextDecoder('utf-8', { ignoreBOM: true }).decode(a.s!) }),
      }
      assert.deepEqual(read[a.type!]!(), written)
    }),
  )
})

test('constants are little-endian raw bytes', () => {
  const initializers = new Map([
    ['f', floats([2], [1, -0.5])],
    ['i', ints([-2, 3])],
  ])
  const [f, i] = decode({ ...nearestGraph(2), initializers }).graph!.initializer!
  assert.equal(Buffer.from(f!.rawData!).toString('hex'), '0000803f000000bf')
  assert.equal(Buffer.from(i!.rawData!).toString('hex'), 'feffffffffffffff0300000000000000')
  assert.deepEqual(i!.dims!.map(Number), [2])
})

test('the same graph gives the same bytes', () => {
  assert.deepEqual(serialize(nearestGraph(3)), serialize(nearestGraph(3)))
})
