import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Constant, floats, ints, node, TYPE_CODES } from '../../../export/graph.js'
import { dropDead } from '../../../export/passes/drop-dead.js'
import { dropIdentities } from '../../../export/passes/drop-identities.js'
import { foldConstants } from '../../../export/passes/fold-constants.js'
import { unifySlopes } from '../../../export/passes/unify-slopes.js'
import { becomes, opsOf, sketch, stays } from './sketch.js'

test('identities go, except between ends of the graph that both have names', async () => {
  const s = sketch()
  const identity = (x: string) => s.add('Identity', [x])
  await becomes(s.graph([identity(identity(s.add('Relu', [identity('x')])))]), dropIdentities, ['Relu'])
  const through = sketch()
  await becomes(through.graph([through.add('Identity', [through.add('Identity', ['x'])])]), dropIdentities, ['Identity'])
  const twice = sketch()
  const value = twice.add('Relu', ['x'])
  const graph = twice.graph([twice.add('Identity', [value]), twice.add('Identity', [value]), twice.add('Tanh', [value])])
  const result = await becomes(graph, dropIdentities, ['Relu', 'Identity', 'Tanh'])
  assert.deepEqual(result.nodes, [
    node('Relu', ['x'], ['identity1']),
    node('Identity', ['identity1'], ['identity2']),
    node('Tanh', ['identity1'], ['tanh3']),
  ])
  const shown = sketch()
  const first = shown.add('Relu', ['x'])
  stays(shown.graph([first, shown.add('Identity', [first])]), dropIdentities)
  const fixed = sketch()
  stays(fixed.graph([fixed.add('Identity', [fixed.constant(floats([1, 1, 1, 1], [2]))]), fixed.add('Relu', ['x'])]), dropIdentities)
})

test('what no output depends on goes, constants too', async () => {
  const s = sketch()
  const answer = s.conv('x')
  s.add('Tanh', [s.conv(answer)])
  await becomes(s.graph([answer]), dropDead, ['Conv'])
})

test('equal slopes are one', async () => {
  for (const [slopes, ops] of [
    [[0.25, 0.25, 0.25, 0.25], ['LeakyRelu']],
    [[0.2], ['LeakyRelu']],
    [[-0.5, -0.5, -0.5, -0.5], ['LeakyRelu']],
    [[0, 0, 0, 0], ['Relu']],
    [[1, 1, 1, 1], ['Identity']],
  ] as const) {
    const s = sketch()
    await becomes(s.graph([s.add('PRelu', ['x', s.constant(floats([slopes.length, 1, 1], slopes))])]), unifySlopes, [...ops])
  }
  const s = sketch()
  stays(s.graph([s.add('PRelu', ['x', s.constant(floats([4, 1, 1], [0.1, 0.1, 0.1, 0.2]))])]), unifySlopes)
  const own = sketch()
  stays(own.graph([own.add('PRelu', ['x', own.add('Identity', [own.constant(floats([1], [0.1]))])])]), unifySlopes)
})

type Sketch = ReturnType<typeof sketch>

/** Each makes something of [2,1,3] that a picture can be multiplied with. */
const folds: Record<string, (s: Sketch, a: string, b: string) => string> = {
  Identity: (s, a) => s.add('Identity', [a]),
  Add: (s, a, b) => s.add('Add', [a, b]),
  Sub: (s, a, b) => s.add('Sub', [b, a]),
  Mul: (s, a, b) => s.add('Mul', [a, b]),
  Div: (s, a, b) => s.add('Div', [a, b]),
  Transpose: (s, a) => s.add('Transpose', [a], { perm: { ints: [2, 0, 1] } }),
  'Transpose, reversed': (s, a) => s.add('Transpose', [a]),
  Reshape: (s, a) => s.add('Reshape', [a, s.constant(ints([0, -1, 1]))]),
  Unsqueeze: (s, a) => s.add('Unsqueeze', [a, s.constant(ints([-1, 0]))]),
  Concat: (s, a, b) => s.add('Concat', [a, s.add('Add', [a, b]), a], { axis: { int: -1 } }),
  'Concat, first axis': (s, a, b) => s.add('Concat', [a, s.add('Mul', [a, b])], { axis: { int: 0 } }),
  'Cast to and fro': (s, a) => s.add('Cast', [s.add('Cast', [a], { to: { int: TYPE_CODES.int64 } })], { to: { int: TYPE_CODES.float32 } }),
  'Div of integers': (s, a) => {
    const cast = (x: string, to: number) => s.add('Cast', [x], { to: { int: to } })
    return cast(
      s.add('Div', [cast(a, TYPE_CODES.int32), s.constant({ type: 'int32', dims: [], data: Int32Array.of(2) })]),
      TYPE_CODES.float32,
    )
  },
  'a chain': (s, a, b) => s.add('Mul', [s.add('Transpose', [s.add('Sub', [a, b])], { perm: { ints: [1, 0, 2] } }), s.add('Add', [b, b])]),
}

for (const [name, make] of Object.entries(folds)) {
  test(`${name} of constants is a constant`, async () => {
    const s = sketch(['batch', 1, 1, 1])
    const [a, b] = [s.constant(floats([2, 1, 3], [1.5, -2.25, 3, 7, -5, 0.5])), s.constant(floats([1, 3], [2, -4, 0.75]))]
    const made = make(s, a, b)
    const flat = s.add('Reshape', [made, s.constant(ints([1, 1, 1, -1]))])
    await becomes(s.graph([s.add('Add', ['x', flat])]), foldConstants, ['Add'])
  })
}

test('what depends on the input, is a result, or is not known how to work out, stays', () => {
  const half: Constant = { type: 'float16', dims: [1], data: Uint16Array.of(0x3c00) }
  const makers: Record<string, (s: Sketch) => string> = {
    input: s => s.add('Add', ['x', s.constant(s.noise(1))]),
    result: s => s.add('Add', [s.constant(s.noise(1)), s.constant(s.noise(1))]),
    'not known': s => s.add('Mul', ['x', s.add('Erf', [s.constant(s.noise(1))])]),
    'half floats': s => s.add('Mul', ['x', s.add('Cast', [s.constant(half)], { to: { int: TYPE_CODES.float32 } })]),
    'to bytes': s =>
      s.add('Cast', [s.add('Cast', [s.constant(s.noise(1))], { to: { int: TYPE_CODES.uint8 } })], { to: { int: TYPE_CODES.float32 } }),
  }
  for (const make of Object.values(makers)) {
    const s = sketch()
    stays(s.graph([make(s)]), foldConstants)
  }
  assert.deepEqual(opsOf(foldConstants(sketch().graph(['x']))), [])
})
