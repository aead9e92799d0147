import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Constant, floats, type Graph, ints, node, scalar } from '../../export/graph.js'
import { openForeign } from '../../probe/foreign.js'
import { product } from '../../probe/trace/box.js'
import { trace } from '../../probe/trace/trace.js'
import { fileOf, graphOf, numbers } from './foreign.js'

const c = (constants: Record<string, Constant>) => new Map(Object.entries(constants))
const conv = (attributes: Record<string, number[] | number | string>, weights: number[]): Graph =>
  graphOf([node('Conv', ['x', 'w'], ['y'], given(attributes))], c({ w: numbers(...weights) }))
const given = (attributes: Record<string, number[] | number | string>) =>
  Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [
      name,
      typeof value === 'string' ? { string: value } : Array.isArray(value) ? { ints: value } : { int: value },
    ]),
  )
const one = (op: string, attributes: Record<string, number[] | number | string> = {}, constants: Record<string, Constant> = {}): Graph =>
  graphOf([node(op, ['x', ...Object.keys(constants)], ['y'], given(attributes))], c(constants))
const resize = (attributes: Record<string, string | number>, scales: number[]) =>
  graphOf([node('Resize', ['x', '', 'scales'], ['y'], given(attributes))], c({ scales: floats([4], scales) }))
const chain = (
  constants: Record<string, Constant>,
  ...steps: [op: string, others: string[], attributes?: Record<string, number[] | number | string>][]
) =>
  graphOf(
    steps.map(([op, others, attributes = {}], i) =>
      node(op, [i === 0 ? 'x' : `v${i}`, ...others], [i === steps.length - 1 ? 'y' : `v${i + 1}`], given(attributes)),
    ),
    c(constants),
  )

/** Graphs whose answers change wherever a pixel that they are made of does. */
const GRAPHS: Record<string, Graph> = {
  'convolution 3×3': conv({ pads: [1, 1, 1, 1] }, [4, 3, 3, 3]),
  'convolution with a stride': conv({ pads: [2, 2, 2, 2], strides: [2, 2] }, [4, 3, 5, 5]),
  'convolution, SAME_UPPER': conv({ auto_pad: 'SAME_UPPER', strides: [3, 2] }, [2, 3, 4, 4]),
  'convolution, SAME_LOWER': conv({ auto_pad: 'SAME_LOWER' }, [2, 3, 4, 4]),
  'convolution, dilated, uneven pads': conv({ pads: [0, 1, 2, 3], dilations: [2, 3] }, [2, 3, 3, 2]),
  'convolution, one group a channel': conv({ pads: [1, 1, 1, 1], group: 3 }, [6, 1, 3, 3]),
  'transposed convolution': one('ConvTranspose', { strides: [2, 2], pads: [1, 1, 1, 1] }, { w: numbers(3, 2, 4, 4) }),
  'transposed convolution, stride over kernel': one(
    'ConvTranspose',
    { strides: [3, 3], output_padding: [1, 1] },
    { w: numbers(3, 2, 2, 2) },
  ),
  'transposed convolution, SAME_UPPER': one('ConvTranspose', { strides: [2, 2], auto_pad: 'SAME_UPPER' }, { w: numbers(3, 2, 3, 3) }),
  'average pooling, rounded up': one('AveragePool', { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  'nearest, from corners': resize({ mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }, [1, 1, 2, 3]),
  'nearest, from centres': resize({ mode: 'nearest' }, [1, 1, 2, 1.5]),
  'linear, half pixels': resize({ mode: 'linear' }, [1, 1, 2, 2]),
  'linear, to corners': resize({ mode: 'linear', coordinate_transformation_mode: 'align_corners' }, [1, 1, 2, 2.5]),
  'cubic, as PyTorch has it': resize({ mode: 'cubic', coordinate_transformation_mode: 'pytorch_half_pixel' }, [1, 1, 2, 3]),
  'depth to space, CRD': chain({ w: numbers(8, 3, 1, 1) }, ['Conv', ['w']], ['DepthToSpace', [], { blocksize: 2, mode: 'CRD' }]),
  'depth to space, DCR': chain({ w: numbers(8, 3, 1, 1) }, ['Conv', ['w']], ['DepthToSpace', [], { blocksize: 2 }]),
  'space to depth': one('SpaceToDepth', { blocksize: 2 }),
  'pixel shuffle by reshaping': chain(
    { w: numbers(12, 3, 1, 1), apart: ints([0, 3, 2, 2, 12, 8]), whole: ints([0, 3, 24, -1]) },
    ['Conv', ['w']],
    ['Reshape', ['apart']],
    ['Transpose', [], { perm: [0, 1, 4, 2, 5, 3] }],
    ['Reshape', ['whole']],
  ),
  'windows of eight by four': chain(
    {
      apart: ints([1, 3, 3, 4, 2, 4]),
      flat: ints([-1, 16, 3]),
      back: ints([1, 3, 2, 4, 4, 3]),
      whole: ints([1, 12, 8, 3]),
      axis: ints([1]),
    },
    ['Reshape', ['apart']],
    ['Transpose', [], { perm: [0, 2, 4, 3, 5, 1] }],
    ['Reshape', ['flat']],
    ['Softmax', [], { axis: 1 }],
    ['Reshape', ['back']],
    ['Transpose', [], { perm: [0, 1, 3, 2, 4, 5] }],
    ['Reshape', ['whole']],
    ['Transpose', [], { perm: [0, 3, 1, 2] }],
  ),
  'padding with zeros': one('Pad', {}, { pads: ints([0, 0, 1, 2, 0, 0, 3, 0]) }),
  'padding with the edge': one('Pad', { mode: 'edge' }, { pads: ints([0, 0, 3, 2, 0, 0, 1, 2]) }),
  'padding with a mirror': chain(
    { pads: ints([0, 0, 3, 3, 0, 0, 3, 3]), w: numbers(2, 3, 7, 7) },
    ['Pad', ['pads'], { mode: 'reflect' }],
    ['Conv', ['w']],
  ),
  'cropping by negative pads': one('Pad', {}, { pads: ints([0, 0, -2, 0, 0, 0, 0, -1]) }),
  'slice with a step': one('Slice', {}, { starts: ints([1, 7]), ends: ints([11, 1]), axes: ints([2, 3]), steps: ints([3, -2]) }),
  'split and concat': graphOf(
    [node('Split', ['x', 'parts'], ['a', 'b'], { axis: { int: 2 } }), node('Concat', ['b', 'a'], ['y'], { axis: { int: 2 } })],
    c({ parts: ints([5, 7]) }),
  ),
  'gather of rows': one('Gather', { axis: 2 }, { rows: ints([3, 0, -1, 3]) }),
  tile: one('Tile', {}, { times: ints([1, 1, 2, 1]) }),
  'instance norm': one('InstanceNormalization', {}, { s: numbers(3), b: numbers(3) }),
  'layer norm over channels': chain(
    { s: numbers(3) },
    ['Transpose', [], { perm: [0, 2, 3, 1] }],
    ['LayerNormalization', ['s'], { axis: -1 }],
    ['Transpose', [], { perm: [0, 3, 1, 2] }],
  ),
  'attention of a mean': graphOf([node('GlobalAveragePool', ['x'], ['m']), node('Sigmoid', ['m'], ['s']), node('Mul', ['x', 's'], ['y'])]),
  'mean of rows': one('ReduceMean', { axes: [3], keepdims: 1 }),
  'matrix product along columns': one('MatMul', {}, { w: numbers(8, 5) }),
  'product with itself transposed': graphOf([
    node('Transpose', ['x'], ['t'], { perm: { ints: [0, 1, 3, 2] } }),
    node('MatMul', ['x', 't'], ['y']),
  ]),
  'sizes computed from the shape': graphOf(
    [
      node('Shape', ['x'], ['shape']),
      node('Gather', ['shape', 'two'], ['height'], { axis: { int: 0 } }),
      node('Div', ['height', 'three'], ['third']),
      node('Cast', ['third'], ['as64'], { to: { int: 7 } }),
      node('Unsqueeze', ['as64', 'zero'], ['list']),
      node('Concat', ['start', 'list', 'end'], ['whole'], { axis: { int: 0 } }),
      node('Reshape', ['x', 'whole'], ['y']),
    ],
    c({
      two: { type: 'int64', dims: [], data: [2] },
      three: { type: 'int64', dims: [], data: [3] },
      zero: ints([0]),
      start: ints([1, 9]),
      end: ints([8]),
    }),
  ),
  'position by position': graphOf(
    [
      node('PRelu', ['x', 'slope'], ['p']),
      node('Clip', ['p', 'low'], ['q']),
      node('BatchNormalization', ['q', 'v', 'v', 'v', 'v2'], ['r']),
      node('Where', ['mask', 'r', 'x'], ['y']),
    ],
    c({
      slope: numbers(3, 1, 1),
      low: scalar(-9),
      v: numbers(3),
      v2: floats([3], [1, 2, 3]),
      mask: { type: 'uint8', dims: [1], data: Uint8Array.of(1) },
    }),
  ),
}
// ONNX has no constants of booleans in our graphs: a comparison makes one.
GRAPHS['position by position']!.nodes.splice(3, 0, node('Cast', ['mask'], ['bool'], { to: { int: 9 } }))
GRAPHS['position by position']!.nodes[4]!.inputs[0] = 'bool'

const SHAPE = [1, 3, 12, 8]

for (const [name, graph] of Object.entries(GRAPHS)) {
  test(`${name}: shape as ONNX Runtime has it, and no pixel counts that was not foreseen`, async () => {
    const { bytes, file } = fileOf(graph)
    const followed = trace(file, SHAPE)
    const session = await openForeign(bytes)
    const run = (data: Float32Array) => session.run({ name: 'x', type: 'float32' }, 'y', { data, dims: SHAPE })
    const picture = Float32Array.from({ length: product(SHAPE) }, (_, i) => 1 + Math.sin(i * 1.7))
    const before = await run(picture)
    assert.deepEqual(followed.shape, before.dims)

    const spots = [0, 35, 100, 167, 190, 287]
    let unforeseen = 0
    let changes = 0
    for (const spot of spots) {
      const changed = picture.slice()
      changed[spot] = changed[spot]! + 0.5
      const after = await run(changed)
      const [channel, y, x] = [Math.floor(spot / 96), Math.floor((spot % 96) / 8), spot % 8]
      for (let i = 0; i < before.data.length; i++) {
        if (before.data[i] === after.data[i]) continue
        changes++
        const source = followed.sourceOf(placeOf(i, followed.shape))
        const inside = source && [0, channel, y, x].every((at, axis) => at >= source[axis]![0] && at <= source[axis]![1])
        if (!inside) unforeseen++
      }
    }
    await session.close()
    assert.equal(unforeseen, 0)
    assert.ok(changes > 0)
  })
}

function placeOf(flat: number, shape: number[]): [number, number][] {
  return shape.map((size, axis) => {
    const at = Math.floor(flat / product(shape.slice(axis + 1))) % size
    return [at, at]
  })
}

test('an operator that is not known, and a shape that depends on the picture, are named', () => {
  const refused = (graph: Graph, message: RegExp) => assert.throws(() => trace(fileOf(graph).file, SHAPE), message)
  refused(graphOf([node('Einsum', ['x'], ['y'], { equation: { string: 'nchw->nchw' } })]), /Einsum/)
  refused(
    graphOf([node('Cast', ['x'], ['s'], { to: { int: 7 } }), node('Reshape', ['x', 's'], ['y'])]),
    /Reshape.*computed from the picture/,
  )
  refused(graphOf([node('Add', ['x', 'w'], ['y'])], c({ w: numbers(5) })), /Add of 1×3×12×8 and 5/)
})

test('a few bytes that ask for more positions than there is memory for are told, or none of them kept', () => {
  const grown = (...steps: Parameters<typeof chain>[1][]) => {
    const constants = {
      times: ints([1, 1, 1e9, 1]),
      shape: ints([1, 3, 12, 1e10]),
      column: ints([0]),
      far: ints([1e10]),
      last: ints([3]),
      parts: ints([1e10]),
    }
    return () => trace(fileOf(chain(constants, ...steps)).file, [1, 3, 12, 1])
  }
  assert.throws(grown(['Tile', ['times']]), /Tile of 12,000,000,000 positions/)
  assert.throws(grown(['Expand', ['shape']], ['Slice', ['column', 'far', 'last']]), /Slice of 10,000,000,000 positions/)
  assert.throws(grown(['Expand', ['shape']], ['Split', ['parts'], { axis: 3 }]), /Split of 10,000,000,000 positions/)
  // Each step alone is small; the numbers of all together would not be.
  const many = { shape: ints([2 ** 14, 1]), times: ints([1, 2 ** 18]) }
  const tiled = chain(many, ['Shape', []], ['ConstantOfShape', []], ['Tile', ['times']])
  assert.deepEqual(trace(fileOf(tiled).file, [2 ** 14, 1]).shape, [2 ** 14, 2 ** 18])
})
