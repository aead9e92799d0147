import assert from 'node:assert/strict'
import { test } from 'node:test'
import { floats, type Graph, scalar } from '../../../export/graph.js'
import { foldAffine } from '../../../export/passes/fold-affine.js'
import { foldAffineBefore } from '../../../export/passes/fold-affine-before.js'
import { becomes, POINT, sketch, stays } from './sketch.js'

type Sketch = ReturnType<typeof sketch>

const perChannel = (s: Sketch, count = 4) => s.constant(s.noise(count, 1, 1))
const VALID = { pads: [0, 0, 0, 0] }

/** Something that scales and shifts each channel, with the constant on either side. */
const affines: Record<string, (s: Sketch, x: string) => string> = {
  BatchNormalization: (s, x) => s.norm(x),
  'Mul by one number': (s, x) => s.add('Mul', [x, s.constant(scalar(-0.3))]),
  'Mul by channel, constant first': (s, x) => s.add('Mul', [perChannel(s), x]),
  'Add by channel': (s, x) => s.add('Add', [x, perChannel(s)]),
  'Add of one number, constant first': (s, x) => s.add('Add', [s.constant(scalar(0.7)), x]),
  'Sub by channel': (s, x) => s.add('Sub', [x, perChannel(s)]),
  'Sub from a constant': (s, x) => s.add('Sub', [s.constant(s.noise(1, 4, 1, 1)), x]),
  'Div by channel': (s, x) => s.add('Div', [x, s.constant(floats([4, 1, 1], [2, -3, 0.5, 4]))]),
}

for (const [name, affine] of Object.entries(affines)) {
  test(`${name} goes into the convolution before it`, async () => {
    for (const options of [{}, { bias: null }, { group: 2 }, { strides: [2, 2], auto: 'SAME_UPPER' }]) {
      const s = sketch()
      await becomes(s.graph([affine(s, s.conv('x', options))]), foldAffine, ['Conv'])
    }
  })

  test(`${name} goes into the convolution behind it, if that pads nothing`, async () => {
    for (const options of [VALID, { ...VALID, group: 2 }, { ...VALID, bias: null }]) {
      const s = sketch()
      await becomes(s.graph([s.conv(affine(s, 'x'), options)]), foldAffineBefore, ['Conv'])
    }
  })
}

test('a scale goes into a convolution behind it that pads, an offset does not', async () => {
  for (const [op, folds] of Object.entries({ Mul: true, Div: true, Add: false, Sub: false })) {
    for (const options of [{}, { strides: [2, 2], auto: 'SAME_UPPER' }]) {
      const s = sketch()
      const graph = s.graph([s.conv(s.add(op, ['x', s.constant(scalar(0.5))]), options)])
      if (folds) await becomes(graph, foldAffineBefore, ['Conv'])
      else stays(graph, foldAffineBefore)
    }
  }
})

test('a transposed convolution takes what is behind it, and a scale before it', async () => {
  const transposed = (s: Sketch, x: string, outs: number, group: number) =>
    s.add('ConvTranspose', [x, s.constant(s.noise(4, outs / group, 3, 3)), s.constant(s.noise(outs))], {
      strides: { ints: [2, 2] },
      group: { int: group },
    })
  for (const group of [1, 2]) {
    const behind = sketch()
    await becomes(behind.graph([behind.norm(transposed(behind, 'x', 6, group), 6)]), foldAffine, ['ConvTranspose'])
    const before = sketch()
    await becomes(before.graph([transposed(before, before.add('Mul', ['x', perChannel(before)]), 6, group)]), foldAffineBefore, [
      'ConvTranspose',
    ])
    const shifted = sketch()
    stays(shifted.graph([transposed(shifted, shifted.norm('x'), 6, group)]), foldAffineBefore)
  }
})

test('a matrix product takes what is before and behind it', async () => {
  for (const flipped of [0, 1]) {
    const gemm = (s: Sketch, x: string) =>
      s.add('Gemm', [x, s.constant(flipped ? s.noise(3, 5) : s.noise(5, 3)), s.constant(s.noise(3))], { transB: { int: flipped } })
    const behind = sketch(['batch', 5])
    const shifted = behind.add('Add', [behind.norm(gemm(behind, 'x'), 3), behind.constant(behind.noise(3))])
    await becomes(behind.graph([shifted], 2), foldAffine, ['Gemm'])
    const before = sketch(['batch', 5])
    await becomes(before.graph([gemm(before, before.norm('x', 5))], 2), foldAffineBefore, ['Gemm'])
    const scaled = sketch(['batch', 5])
    await becomes(scaled.graph([gemm(scaled, scaled.add('Mul', ['x', scaled.constant(scaled.noise(5))]))], 2), foldAffineBefore, ['Gemm'])
  }
})

test('MatMul and the Add behind it take scale and offset, a MatMul alone only a scale', async () => {
  const matMul = (s: Sketch, x: string) => s.add('MatMul', [x, s.constant(s.noise(5, 3))])
  const dense = (s: Sketch, x: string) => s.add('Add', [matMul(s, x), s.constant(s.noise(3))])
  const dims = ['batch', 'row', 5]
  const both = sketch(dims)
  const scaled = both.add('Mul', [dense(both, 'x'), both.constant(both.noise(3))])
  await becomes(both.graph([both.add('Sub', [scaled, both.constant(scalar(0.2))])], 3), foldAffine, ['MatMul', 'Add'])
  const first = sketch(dims)
  const half = (s: Sketch, op: string) => s.add(op, ['x', s.constant(scalar(0.5))])
  await becomes(first.graph([dense(first, half(first, 'Add'))], 3), foldAffineBefore, ['MatMul', 'Add'])
  const alone = sketch(dims)
  await becomes(alone.graph([alone.add('Mul', [matMul(alone, 'x'), alone.constant(alone.noise(3))])], 3), foldAffine, ['MatMul'])
  const offset = sketch(dims)
  stays(offset.graph([matMul(offset, half(offset, 'Add'))], 3), foldAffineBefore)
  stays(offset.graph([dense(offset, 'x')], 3), foldAffine)
  const higher = sketch(['batch', 5])
  const raised = higher.add('Add', [matMul(higher, 'x'), higher.constant(higher.noise(1, 1, 3))])
  stays(higher.graph([higher.add('Mul', [raised, higher.constant(scalar(2))])], 3), foldAffine)
})

test('what is no scale or offset of channels stays', () => {
  const behind: Record<string, (s: Sketch) => string> = {
    'along the width': s => s.add('Mul', [s.conv('x'), s.constant(s.noise(6))]),
    'a picture': s => s.add('Add', [s.conv('x'), s.constant(s.noise(4, 7, 6))]),
    'of a batch': s => s.add('Add', [s.conv('x'), s.constant(s.noise(2, 4, 1, 1))]),
    'one channel spread over four': s => s.add('Add', [s.conv('x', { outs: 1 }), s.constant(s.noise(4, 1, 1))]),
    'five dimensions': s => s.add('Add', [s.conv('x'), s.constant(s.noise(1, 1, 1, 1, 1))]),
    'division by zero': s => s.add('Div', [s.conv('x'), s.constant(floats([4, 1, 1], [1, 0, 1, 1]))]),
    'division of a constant': s => s.add('Div', [perChannel(s), s.conv('x')]),
    'another value': s => s.add('Mul', [s.conv('x'), 'x']),
    'a kernel that is no constant': s =>
      s.add('Mul', [s.add('Conv', ['x', s.add('Identity', [s.constant(s.noise(4, 4, 1, 1))])]), perChannel(s)]),
  }
  for (const make of Object.values(behind)) {
    const s = sketch()
    stays(s.graph([make(s)]), foldAffine)
  }
  const one = sketch(['batch', 1, 'height', 'width'])
  stays(one.graph([one.conv(one.add('Mul', ['x', perChannel(one)]), POINT)]), foldAffineBefore)
  const unknown = sketch(['batch', 'channels', 'height', 'width'])
  stays(unknown.graph([unknown.conv(unknown.add('Mul', ['x', perChannel(unknown)]), POINT)]), foldAffineBefore)
})

test('what is read elsewhere, or is a result, stays', () => {
  const graphs: ((s: Sketch) => Graph)[] = [
    s => {
      const raw = s.conv('x')
      return s.graph([s.add('Add', [raw, s.norm(raw)])])
    },
    s => {
      const raw = s.conv('x')
      return s.graph([s.norm(raw), raw])
    },
  ]
  for (const make of graphs) stays(make(sketch()), foldAffine)
  for (const more of [true, false]) {
    const s = sketch()
    const scaled = s.add('Mul', ['x', perChannel(s)])
    const answer = s.conv(scaled)
    stays(more ? s.graph([s.add('Add', [answer, scaled])]) : s.graph([answer, scaled]), foldAffineBefore)
  }
})

test('convolutions that share their weights each keep what is theirs', async () => {
  const s = sketch()
  const [kernel, bias] = [s.constant(s.noise(4, 4, 3, 3), 'kernel'), s.constant(s.noise(4), 'bias')]
  const conv = (x: string) => s.add('Conv', [x, kernel, bias], { pads: { ints: [1, 1, 1, 1] } })
  const graph = s.graph([s.norm(conv(s.add('Relu', [s.norm(conv('x'))]))), conv('x')])
  const result = await becomes(graph, foldAffine, ['Conv', 'Relu', 'Conv', 'Conv'])
  assert.deepEqual([...result.initializers.keys()], ['kernel', 'bias', 'kernel_1', 'bias_1', 'kernel_2', 'bias_2'])
})

test('weights keep their names, and those that stay the same are not written twice', async () => {
  const s = sketch()
  const [kernel, bias] = [s.constant(s.noise(4, 4, 3, 3), 'kernel'), s.constant(s.noise(4), 'bias')]
  const conv = (x: string) => s.add('Conv', [x, kernel, bias])
  const result = await becomes(s.graph([conv('x'), s.add('Add', [conv('x'), perChannel(s)])]), foldAffine, ['Conv', 'Conv'])
  assert.deepEqual([...result.initializers.keys()], ['kernel', 'bias', 'bias_1'])
})
