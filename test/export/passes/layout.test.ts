import { test } from 'node:test'
import { ints, scalar } from '../../../export/graph.js'
import { cancelTransposes } from '../../../export/passes/cancel-transposes.js'
import { foldFlatten } from '../../../export/passes/fold-flatten.js'
import { foldPads } from '../../../export/passes/fold-pads.js'
import { becomes, POINT, sketch, stays } from './sketch.js'

type Sketch = ReturnType<typeof sketch>

const turn = (s: Sketch, x: string, ...perm: number[]) => s.add('Transpose', [x], { perm: { ints: perm } })
const toNhwc = (s: Sketch, x: string) => turn(s, x, 0, 2, 3, 1)
const toNchw = (s: Sketch, x: string) => turn(s, x, 0, 3, 1, 2)

test('Transposes that undo each other go, others become one', async () => {
  const s = sketch()
  await becomes(s.graph([s.add('Relu', [toNchw(s, toNhwc(s, 'x'))])]), cancelTransposes, ['Identity', 'Relu'])
  await becomes(s.graph([turn(s, 'x', 0, 1, 2, 3)]), cancelTransposes, ['Identity'])
  const more = sketch()
  await becomes(more.graph([toNhwc(more, toNhwc(more, 'x'))]), cancelTransposes, ['Transpose'])
  await becomes(more.graph([toNhwc(more, toNhwc(more, toNhwc(more, 'x')))]), cancelTransposes, ['Identity'])
})

test('a Transpose that is read elsewhere stays for that reader', async () => {
  const s = sketch()
  const turned = toNhwc(s, 'x')
  const back = toNchw(s, turned)
  await becomes(s.graph([back, turned]), cancelTransposes, ['Transpose', 'Identity'])
  const other = sketch()
  const once = toNhwc(other, 'x')
  stays(other.graph([toNhwc(other, once), once]), cancelTransposes)
  stays(other.graph([toNchw(other, other.add('Relu', [once]))]), cancelTransposes)
  stays(other.graph([other.add('Transpose', [other.add('Transpose', ['x'])])]), cancelTransposes)
})

/** Seven by six pixels, the only size of these. */
const FIXED = ['batch', 4, 7, 6]
const flatten = (s: Sketch, x: string) => s.add('Flatten', [x], { axis: { int: 1 } })
const gemm = (s: Sketch, x: string, ins: number, flipped = false) =>
  s.add('Gemm', [x, s.constant(flipped ? s.noise(3, ins) : s.noise(ins, 3)), s.constant(s.noise(3))], { transB: { int: flipped ? 1 : 0 } })

test('rows of a matrix product are counted as the picture lies', async () => {
  const makers: Record<string, (s: Sketch) => string> = {
    'of the input': s => gemm(s, flatten(s, toNhwc(s, 'x')), 168),
    'kernel [out, in]': s => gemm(s, flatten(s, toNhwc(s, 'x')), 168, true),
    'a square kernel': s => s.add('Gemm', [flatten(s, toNhwc(s, 'x')), s.constant(s.noise(168, 168))]),
    'a square kernel [out, in]': s => s.add('Gemm', [flatten(s, toNhwc(s, 'x')), s.constant(s.noise(168, 168))], { transB: { int: 1 } }),
    MatMul: s => s.add('MatMul', [flatten(s, toNhwc(s, 'x')), s.constant(s.noise(168, 3))]),
    Reshape: s => gemm(s, s.add('Reshape', [toNhwc(s, 'x'), s.constant(ints([0, -1]))]), 168),
    'of a convolution': s => gemm(s, flatten(s, toNhwc(s, s.add('Relu', [s.conv('x', { outs: 5 })]))), 210),
    'of a sum of one channel and two': s =>
      gemm(s, flatten(s, toNhwc(s, s.add('Add', [s.conv('x', { outs: 1 }), s.conv('x', { outs: 2 })]))), 84),
    'of two side by side': s =>
      gemm(s, flatten(s, toNhwc(s, s.add('Concat', [s.add('Tanh', ['x']), s.conv('x', { outs: 2 })], { axis: { int: 1 } }))), 252),
  }
  for (const [name, make] of Object.entries(makers)) {
    const s = sketch(FIXED)
    const graph = s.graph([make(s)], 2)
    const kept = graph.nodes.map(n => n.op).filter(op => op !== 'Transpose')
    await becomes(graph, foldFlatten, kept).catch(error => {
      throw new Error(name, { cause: error })
    })
  }
})

test('rows stay where channels are not known, or the turned picture is read elsewhere', () => {
  const makers: Record<string, (s: Sketch) => string[]> = {
    'another order': s => [gemm(s, flatten(s, turn(s, 'x', 0, 3, 2, 1)), 168)],
    'not by picture': s => [gemm(s, s.add('Reshape', [toNhwc(s, 'x'), s.constant(ints([-1, 24]))]), 24)],
    'an activation between': s => [gemm(s, s.add('Relu', [flatten(s, toNhwc(s, 'x'))]), 168)],
    'no constant': s => [s.add('Gemm', [flatten(s, toNhwc(s, 'x')), s.add('Identity', [s.constant(s.noise(168, 3))])])],
    'an unknown number of channels': s => [gemm(s, flatten(s, toNhwc(s, s.add('DepthToSpace', ['x'], { blocksize: { int: 2 } }))), 168)],
    'the turned picture is a result': s => {
      const turned = toNhwc(s, 'x')
      return [gemm(s, flatten(s, turned), 168), turned]
    },
    'the row is read elsewhere': s => {
      const row = flatten(s, toNhwc(s, 'x'))
      return [gemm(s, row, 168), s.add('Relu', [row])]
    },
  }
  for (const make of Object.values(makers)) {
    const s = sketch(FIXED)
    stays(s.graph(make(s)), foldFlatten)
  }
})

const pad = (s: Sketch, x: string, pads: number[], ...more: string[]) => s.add('Pad', [x, s.constant(ints(pads)), ...more])
const around = [0, 0, 1, 0, 0, 0, 2, 3]

test("zeros around a picture become a convolution's own", async () => {
  const makers: Record<string, (s: Sketch) => string> = {
    'without a value': s => s.conv(pad(s, 'x', around), POINT),
    'zero by name': s => s.conv(pad(s, 'x', around, s.constant(scalar(0)))),
    'with a stride': s => s.conv(pad(s, 'x', around), { strides: [2, 2], pads: [0, 0, 0, 0] }),
    'twice, without offset': s => s.conv(pad(s, pad(s, 'x', around), around), { bias: null }),
    'VALID by name': s => s.conv(pad(s, 'x', around), { auto: 'VALID' }),
  }
  for (const make of Object.values(makers)) {
    const s = sketch()
    await becomes(s.graph([make(s)]), foldPads, ['Conv'])
  }
})

test('each convolution of a padded picture takes the zeros; for other readers they stay', async () => {
  const s = sketch()
  const padded = pad(s, 'x', around)
  await becomes(s.graph([s.conv(padded), s.conv(padded, POINT)]), foldPads, ['Conv', 'Conv'])
  await becomes(s.graph([s.conv(padded), s.add('Relu', [padded])]), foldPads, ['Pad', 'Conv', 'Relu'].filter(Boolean))
})

test('borders stay that are no zeros, or not around the picture alone', () => {
  const makers: Record<string, (s: Sketch) => string> = {
    reflected: s => s.conv(s.add('Pad', ['x', s.constant(ints([0, 0, 1, 1, 0, 0, 1, 1]))], { mode: { string: 'reflect' } })),
    'of another value': s => s.conv(pad(s, 'x', around, s.constant(scalar(1)))),
    'of a value that is not known': s => s.conv(pad(s, 'x', around, s.add('Identity', [s.constant(scalar(0))]))),
    'more channels': s => s.conv(pad(s, 'x', [0, 1, 0, 0, 0, 0, 0, 0]), { ins: 5 }),
    cropped: s => s.conv(pad(s, 'x', [0, 0, -1, 0, 0, 0, 0, 0])),
    'pads by the size': s => s.conv(pad(s, 'x', around), { strides: [2, 2], auto: 'SAME_UPPER' }),
    pooled: s => s.add('MaxPool', [pad(s, 'x', around)], { kernel_shape: { ints: [2, 2] } }),
  }
  for (const make of Object.values(makers)) {
    const s = sketch()
    stays(s.graph([make(s)]), foldPads)
  }
  const s = sketch()
  const padded = pad(s, 'x', around)
  stays(s.graph([s.conv(padded), padded]), foldPads)
})
