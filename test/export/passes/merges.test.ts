import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scalar } from '../../../export/graph.js'
import { mergeBranches } from '../../../export/passes/merge-branches.js'
import { mergeSequences } from '../../../export/passes/merge-sequences.js'
import { becomes, POINT, sketch, stays } from './sketch.js'

type Sketch = ReturnType<typeof sketch>

const VALID = { pads: [0, 0, 0, 0] }
const wide = { ...POINT, outs: 16 }

test('1×1 → 3×3 and 3×3 → 1×1 become one convolution', async () => {
  const chains: Record<string, (s: Sketch) => string> = {
    'into one without pads': s => s.conv(s.conv('x', wide), { ins: 16, ...VALID }),
    'without offset, into one with pads': s => s.conv(s.conv('x', { ...wide, bias: null }), { ins: 16 }),
    'with offsets of zero': s => s.conv(s.conv('x', { ...wide, bias: Array(16).fill(0) }), { ins: 16, bias: null }),
    'strided, dilated': s => s.conv(s.conv('x', wide), { ins: 16, ...VALID, strides: [2, 1], dilations: [1, 2] }),
    'into pads by the size': s => s.conv(s.conv('x', { ...wide, bias: null }), { ins: 16, strides: [2, 2], auto: 'SAME_UPPER' }),
    'from pads': s => s.conv(s.conv('x', { ...wide, pads: [1, 0, 2, 1] }), { ins: 16, ...VALID }),
    'from pads into pads, without offset': s => s.conv(s.conv('x', { ...wide, pads: [1, 0, 2, 1], bias: null }), { ins: 16 }),
    '3×3 with pads → 1×1': s => s.conv(s.conv('x', { outs: 16 }), { ins: 16, ...POINT }),
    '3×3 of stride 2 → 1×1': s =>
      s.conv(s.conv('x', { outs: 16, strides: [2, 2], auto: 'SAME_UPPER' }), { ins: 16, kernel: 1, auto: 'SAME_UPPER' }),
    '1×1 → 1×1': s => s.conv(s.conv('x', wide), { ins: 16, ...POINT }),
    'three in a row': s => s.conv(s.conv(s.conv('x', wide), { ins: 16, outs: 16, ...VALID }), { ins: 16, ...POINT, outs: 3 }),
    'groups that cost no more together': s => s.conv(s.conv('x', { ...wide, group: 2 }), { ins: 16, ...VALID }),
  }
  for (const make of Object.values(chains)) {
    const s = sketch()
    await becomes(s.graph([make(s)]), mergeSequences, ['Conv'])
  }
})

test('a sequence stays where one convolution would be another, or cost more', () => {
  const chains: Record<string, (s: Sketch) => string> = {
    'an offset into pads': s => s.conv(s.conv('x', wide), { ins: 16 }),
    'an offset into pads by the size': s => s.conv(s.conv('x', wide), { ins: 16, strides: [2, 2], auto: 'SAME_UPPER' }),
    'an offset, padded, into pads': s => s.conv(s.conv('x', { ...wide, pads: [1, 1, 1, 1] }), { ins: 16 }),
    'a 1×1 with pads behind': s => s.conv(s.conv('x', { outs: 16 }), { ins: 16, ...POINT, pads: [1, 0, 0, 0] }),
    'a 1×1 with a stride before': s => s.conv(s.conv('x', { ...wide, strides: [2, 2] }), { ins: 16, ...VALID }),
    'a 1×1 with a stride behind': s => s.conv(s.conv('x', { outs: 16 }), { ins: 16, ...POINT, strides: [2, 2] }),
    '3×3 → 3×3': s => s.conv(s.conv('x', { outs: 16, ...VALID }), { ins: 16, ...VALID }),
    'a bottleneck': s => s.conv(s.conv('x', { ...POINT, outs: 1 }), { ins: 1, ...VALID, outs: 8 }),
    'depthwise → 1×1': s => s.conv(s.conv('x', { group: 4 }), POINT),
    'an activation between': s => s.conv(s.add('Relu', [s.conv('x', wide)]), { ins: 16, ...VALID }),
  }
  for (const make of Object.values(chains)) {
    const s = sketch()
    stays(s.graph([make(s)]), mergeSequences)
  }
  const read = sketch()
  const middle = read.conv('x', wide)
  stays(read.graph([read.conv(middle, { ins: 16, ...VALID }), middle]), mergeSequences)
  stays(read.graph([read.conv(middle, { ins: 16, ...VALID }), read.add('Relu', [middle])]), mergeSequences)
})

const sum = (s: Sketch, ...terms: string[]) => terms.reduce((total, term) => s.add('Add', [total, term]))

test('parallel convolutions of one value, and the value itself, become one', async () => {
  const sums: Record<string, (s: Sketch) => string> = {
    '3×3 + 1×1': s => sum(s, s.conv('x'), s.conv('x', POINT)),
    '3×3 + itself': s => sum(s, s.conv('x'), 'x'),
    'itself + 3×3 + 1×1': s => sum(s, 'x', s.conv('x'), s.conv('x', POINT)),
    RepVGG: s => sum(s, s.norm('x'), s.conv('x', { bias: null }), s.conv('x', POINT)),
    'itself scaled': s => sum(s, s.conv('x'), s.add('Mul', [s.add('Sub', [s.constant(scalar(1)), 'x']), s.constant(s.noise(4, 1, 1))])),
    '5×5 + 3×3': s => sum(s, s.conv('x', { kernel: 5, pads: [2, 2, 2, 2] }), s.conv('x')),
    '5×5 + dilated 3×3': s => sum(s, s.conv('x', POINT), s.conv('x', { dilations: [2, 2], pads: [2, 2, 2, 2] }), 'x'),
    '3×3 + 1×3 + 3×1': s =>
      sum(s, s.conv('x', { kernel: [1, 3], pads: [0, 1, 0, 1] }), s.conv('x', { kernel: [3, 1], pads: [1, 0, 1, 0] }), s.conv('x')),
    'of stride 2': s => sum(s, s.conv('x', { strides: [2, 2], outs: 6 }), s.conv('x', { ...POINT, strides: [2, 2], outs: 6 })),
    '2×2 in either corner + 3×3': s =>
      sum(s, s.conv('x', { kernel: 2, pads: [0, 0, 1, 1] }), s.conv('x', { kernel: 2, pads: [1, 1, 0, 0] }), s.conv('x')),
    depthwise: s => sum(s, s.conv('x', { group: 4 }), s.conv('x', { ...POINT, group: 4 }), 'x'),
    'of two groups': s => sum(s, s.conv('x', { group: 2 }), s.conv('x', { ...POINT, group: 2 }), 'x'),
    'depthwise beside dense': s => sum(s, s.conv('x', { group: 4 }), s.conv('x')),
    'a 1×1 → 3×3 branch': s => sum(s, s.conv('x'), s.conv(s.conv('x', { ...wide, bias: null }), { ins: 16 })),
    'a 1×1 → depthwise branch': s => sum(s, s.conv(s.conv('x', { ...POINT, bias: null }), { group: 4 }), s.conv('x'), 'x'),
  }
  for (const make of Object.values(sums)) {
    const s = sketch()
    const { nodes } = await becomes(s.graph([make(s)]), mergeBranches, ['Conv'])
    assert.deepEqual(nodes[0]!.inputs[0], 'x')
  }
})

test('other terms of the sum stay, in whatever order they came', async () => {
  const s = sketch()
  const other = s.add('Relu', ['x'])
  const graph = s.graph([sum(s, s.conv('x'), other, s.add('Tanh', ['x']), s.conv('x', POINT), s.conv(other))])
  await becomes(graph, mergeBranches, ['Relu', 'Tanh', 'Conv', 'Conv', 'Add', 'Add'])
})

test('a merged depthwise convolution stays depthwise', async () => {
  const s = sketch()
  const { nodes } = await becomes(s.graph([sum(s, s.conv('x', { group: 4 }), 'x')]), mergeBranches, ['Conv'])
  assert.deepEqual(nodes[0]!.attributes.group, { int: 4 })
})

test('branches stay where one convolution would be another, or cost more', () => {
  const sums: Record<string, (s: Sketch) => string> = {
    'of two values': s => sum(s, s.conv('x'), s.conv(s.add('Relu', ['x']), POINT)),
    'an activation between': s => sum(s, s.conv('x'), s.add('Relu', [s.conv('x', POINT)])),
    'other strides': s => sum(s, s.conv('x', { strides: [2, 2] }), s.conv('x', POINT)),
    'itself beside a stride': s => sum(s, s.conv('x', { strides: [2, 2] }), 'x'),
    'itself beside a smaller answer': s => sum(s, s.conv('x', VALID), 'x'),
    'itself beside more channels': s => sum(s, s.conv('x', { outs: 8 }), 'x'),
    'one channel spread over four': s => sum(s, s.conv('x'), s.conv('x', { ...POINT, outs: 1 })),
    'pads by the size': s =>
      sum(s, s.conv('x', { strides: [2, 2], auto: 'SAME_UPPER' }), s.conv('x', { ...POINT, strides: [2, 2], auto: 'SAME_UPPER' })),
    'other dilations': s => sum(s, s.conv('x'), s.conv('x', { dilations: [2, 2], pads: [2, 2, 2, 2] })),
    'a tap between': s =>
      sum(s, s.conv('x', { dilations: [2, 2], pads: [2, 2, 2, 2] }), s.conv('x', { kernel: 2, dilations: [2, 2], pads: [1, 1, 1, 1] })),
    'a cross': s => sum(s, s.conv('x', { kernel: [1, 5], pads: [0, 2, 0, 2] }), s.conv('x', { kernel: [5, 1], pads: [2, 0, 2, 0] })),
    'depthwise 3×3 beside 1×1': s => sum(s, s.conv('x', { group: 4 }), s.conv('x', POINT)),
    'a difference': s => s.add('Sub', [s.conv('x'), s.conv('x', POINT)]),
  }
  for (const make of Object.values(sums)) {
    const s = sketch()
    stays(s.graph([make(s)]), mergeBranches)
  }
})

test('branches that are read elsewhere, or are results, stay', () => {
  const s = sketch()
  const [a, b] = [s.conv('x'), s.conv('x', POINT)]
  const both = sum(s, a, b)
  stays(s.graph([both, a]), mergeBranches)
  stays(s.graph([both, s.add('Relu', [b])]), mergeBranches)
  const scaled = sketch()
  const half = scaled.add('Mul', ['x', scaled.constant(scalar(0.5))])
  stays(scaled.graph([sum(scaled, scaled.conv('x'), half), half]), mergeBranches)
})

test('shared weights stay as they are for others, a sum within is kept for its reader', async () => {
  const s = sketch()
  const [kernel, bias] = [s.constant(s.noise(4, 4, 3, 3), 'kernel'), s.constant(s.noise(4), 'bias')]
  const conv = (x: string) => s.add('Conv', [x, kernel, bias], { pads: { ints: [1, 1, 1, 1] } })
  const graph = s.graph([sum(s, conv('x'), 'x'), conv('x')])
  const result = await becomes(graph, mergeBranches, ['Conv', 'Conv'])
  assert.deepEqual([...result.initializers.keys()], ['kernel', 'bias', 'kernel_1', 'bias_1'])
  const nested = sketch()
  const inner = sum(nested, nested.conv('x'), nested.add('Relu', ['x']))
  stays(nested.graph([sum(nested, inner, nested.conv('x')), inner]), mergeBranches)
})
