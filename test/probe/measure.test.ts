import assert from 'node:assert/strict'
import { test } from 'node:test'
import onnxProto from 'onnx-proto'
import type { UprezError } from '../../errors.js'
import { floats, type Graph, ints, node, scalar } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { toUint8Nhwc } from '../../export/uint8.js'
import { type Measured, measureModel } from '../../probe/measure.js'
import { readOnnx } from '../../probe/onnx-file.js'
import { nearestGraph, networkGraph } from '../support/model.js'
import { fileOf, foreignGraph, graphOf } from './foreign.js'

const measureBytes = (bytes: Uint8Array) => measureModel(bytes, readOnnx(bytes, 'x.onnx'), async () => {})
const measure = (graph: Graph) => measureBytes(serialize(graph))
const sureness = ({ findings }: Measured) => Object.fromEntries(findings.map(({ what, how }) => [what, how]))
const refused = async (graph: Graph, expected: RegExp, code = 'not-an-upscaler') =>
  assert.rejects(measure(graph), (error: UprezError) => error.code === code && expected.test(error.message))

test('an ordinary network: NCHW, 0..1, any size', async () => {
  const found = await measure(foreignGraph())
  const { input, output, scale, sizeMultiple, fixedSize, receptiveField, halo, haloError, flopsPerPixel } = found
  assert.deepEqual(input, { name: 'picture', channels: 3, order: 'RGB', layout: 'NCHW', type: 'float32', range: [0, 1] })
  assert.deepEqual(output, { ...input, name: 'larger' })
  assert.deepEqual({ scale, sizeMultiple, fixedSize, receptiveField }, { scale: 2, sizeMultiple: 1, fixedSize: null, receptiveField: 3 })
  assert.ok(halo! <= 3 && haloError! <= 1.001 / 255)
  assert.equal(flopsPerPixel, 2 * 9 * (3 * 8 + 8 * 8 + 8 * 12))
  assert.deepEqual(sureness(found), {
    scale: 'measured',
    layout: 'declared',
    type: 'declared',
    range: 'measured',
    channels: 'assumed',
    sizes: 'measured',
    operations: 'derived',
    'receptive field': 'derived',
    overlap: 'measured',
  })
})

test('channels last, 0..255, channels of the answer in reverse, multiples of two', async () => {
  const { input, output, sizeMultiple } = await measure(foreignGraph({ nhwc: true, range: [0, 255], reversed: true, even: true, scale: 3 }))
  assert.deepEqual([input.layout, input.range, input.order], ['NHWC', [0, 255], 'RGB'])
  assert.deepEqual([output.layout, output.range, output.order], ['NHWC', [0, 255], 'BGR'])
  assert.equal(sizeMultiple, 2)
})

test('half floats of -1..1 and one size only', async () => {
  const fixed = { width: 40, height: 32 }
  const { input, output, fixedSize, halo } = await measure(foreignGraph({ half: true, range: [-1, 1], fixed }))
  assert.deepEqual([input.type, input.range, output.type, output.range], ['float16', [-1, 1], 'float16', [-1, 1]])
  assert.deepEqual(fixedSize, fixed)
  assert.ok(halo !== null && halo <= 3)
})

test('bytes in and out', async () => {
  const { input, output, receptiveField } = await measure(toUint8Nhwc(networkGraph({ scale: 2, depth: 3, channels: 8 })))
  assert.deepEqual([input.type, input.layout, input.range, output.type], ['uint8', 'NHWC', [0, 255], 'uint8'])
  assert.equal(receptiveField, 3)
})

test('a network that answers alike in every range gets the usual one, and that is said', async () => {
  const found = await measure(nearestGraph(2))
  assert.deepEqual([found.input.range, found.halo, sureness(found).range], [[0, 1], 0, 'assumed'])
})

test('one channel', async () => {
  const nodes = [
    node('Resize', ['x', '', 's'], ['y'], { mode: { string: 'linear' }, coordinate_transformation_mode: { string: 'half_pixel' } }),
  ]
  const grey = graphOf(nodes, new Map([['s', floats([4], [1, 1, 2, 2])]]), ['n', 1, 'h', 'w'])
  const { input, output } = await measure(grey)
  assert.deepEqual([input.channels, input.order, output.channels, output.order], [1, 'Y', 1, 'Y'])
})

test('a network that sees the picture whole is not cut into tiles', async () => {
  const normalised = (from: string, to: string) => [
    node('GlobalAveragePool', [from], ['mean']),
    node('Sub', [from, 'mean'], ['centred']),
    node('Mul', ['centred', 'slightly'], ['more']),
    node('Add', [from, 'more'], [to]),
  ]
  const graph = foreignGraph({ within: normalised })
  graph.initializers.set('slightly', scalar(0.05))
  const { receptiveField, halo, haloError } = await measure(graph)
  assert.deepEqual([receptiveField, halo, haloError], [null, null, null])
})

test('a network that refuses narrow pictures is cut with an overlap of all that it looks at', async () => {
  const mirrored = (from: string, to: string) => [
    node('Pad', [from, 'borders'], ['bordered'], { mode: { string: 'reflect' } }),
    node('AveragePool', ['bordered'], [to], { kernel_shape: { ints: [41, 41] } }),
  ]
  const graph = graphOf([...mirrored('x', 'mean'), node('Mul', ['mean', 'little'], ['less']), node('Sub', ['x', 'less'], ['y'])])
  graph.initializers.set('borders', ints([0, 0, 20, 20, 0, 0, 20, 20])).set('little', scalar(0.1))
  const found = await measure(graph)
  assert.deepEqual([found.receptiveField, found.halo, found.haloError, sureness(found).overlap], [20, 20, 0, 'derived'])
})

test('an operator that cannot be followed: the receptive field is seen in the changes of pixels', async () => {
  const found = await measure(
    foreignGraph({ within: (from, to) => [node('Einsum', [from], [to], { equation: { string: 'nchw->nchw' } })] }),
  )
  assert.ok(found.receptiveField! >= 2 && found.receptiveField! <= 3)
  assert.deepEqual([sureness(found)['receptive field'], sureness(found).operations], ['measured', 'assumed'])
  assert.match(found.findings.find(({ what }) => what === 'operations')!.why, /not counted: .*Einsum/)
})

test('what is no upscaler is refused, saying what it is instead', async () => {
  const classes = graphOf([node('GlobalAveragePool', ['x'], ['m']), node('Flatten', ['m'], ['y'])])
  await refused({ ...classes, outputs: [{ name: 'y', type: 'float32', dims: ['n', 10] }] }, /height and width for y, got float32 n×10/)
  await refused(classes, /whole number of times as large, got 1×3 for one of 96×64/)
  const two = foreignGraph()
  await refused({ ...two, inputs: [...two.inputs, { ...two.inputs[0]!, name: 'other' }] }, /one input, got 2: picture, other/)
  await refused({ ...two, inputs: [{ ...two.inputs[0]!, dims: ['n', 4, 'h', 'w'] }] }, /1 or 3 channels/)
  await refused({ ...two, inputs: [{ ...two.inputs[0]!, dims: [8, 3, 'h', 'w'] }] }, /one picture at a time/)
  await refused({ ...two, inputs: [{ ...two.inputs[0]!, type: 'int64' }] }, /float32, float16, uint8 for picture, got int64/)
  const half = graphOf([node('AveragePool', ['x'], ['y'], { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } })])
  await refused(half, /got 1×3×32×48/)
  const mixing = graphOf([node('Conv', ['x', 'w'], ['y'])], new Map([['w', floats([5, 3, 1, 1], new Float32Array(15))]]))
  await refused(mixing, /got 1×5×64×96/)
})

test('an answer that is another picture, or no numbers, is refused', async () => {
  const black = graphOf([node('Mul', ['x', 'zero'], ['y'])], new Map([['zero', scalar(0)]]))
  await refused(black, /does not resemble it \(correlation 0.00\)/)
  const nan = graphOf([node('Div', ['x', 'zero'], ['y'])], new Map([['zero', scalar(0)]]))
  await refused(nan, /correlation 0.00/)
  const negative = graphOf([node('Neg', ['x'], ['y'])])
  await refused(negative, /does not resemble it/)
})

test('what ONNX Runtime refuses, and weights that are not there, are told', async () => {
  await refused(graphOf([node('Mystery', ['x'], ['y'])]), /Mystery/, 'invalid-onnx')
  const { onnx } = onnxProto
  const { bytes } = fileOf(foreignGraph())
  const model = onnx.ModelProto.decode(bytes)
  Object.assign(model.graph!.initializer![0]!, {
    dataLocation: 1,
    rawData: new Uint8Array(0),
    externalData: [{ key: 'location', value: 'w.bin' }],
  })
  await assert.rejects(measureBytes(onnx.ModelProto.encode(model).finish()), { code: 'invalid-onnx', message: /w\.bin/ })
})
