import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { exportGraph, exportRun } from '../../export/export.js'
import { networkFacts } from '../../nets/facts.js'
import { generatorSchema, makeGenerator } from '../../nets/generator.js'
import { saveModel } from '../../nets/model-files.js'
import { SMALL_GENERATORS } from '../support/generators.js'
import { difference, randomizeWeights, tf } from './compare.js'

const folder = await mkdtemp(join(tmpdir(), 'uprez-generators-'))
after(() => rm(folder, { recursive: true }))

for (const [name, { config, scale }] of Object.entries(SMALL_GENERATORS)) {
  test(`${name} answers in ONNX Runtime as in tfjs`, async () => {
    const model = makeGenerator(tf, config, scale, 1)
    randomizeWeights(model)
    const multiple = networkFacts(model).sizeMultiple
    const sizes = [
      [1, 1],
      [3, 5],
      [6, 4],
    ].map(([h, w]): [number, number] => [h! * multiple, w! * multiple])
    assert.ok((await difference(model, sizes)) <= 1e-5)
    model.dispose()
  })
}

test('scaled residuals, norms and shuffles leave only what ONNX Runtime is quick at', () => {
  const ops = (options: object, scale: number) => {
    const counts: Record<string, number> = {}
    for (const { op } of exportGraph(makeGenerator(tf, generatorSchema.parse(options), scale, 1)).nodes) counts[op] = (counts[op] ?? 0) + 1
    return counts
  }
  assert.deepEqual(ops({ kind: 'srresnet', channels: 4, blocks: 2 }, 2), { Conv: 8, LeakyRelu: 4, Add: 3, DepthToSpace: 1 })
  assert.deepEqual(ops({ kind: 'srresnet', channels: 4, blocks: 2, norm: 'none', residualScale: 0.1 }, 1), { Conv: 7, Relu: 2, Add: 3 })
  // The mean that is added at the end goes into the last convolution; the one that is subtracted cannot go into a padded one.
  const shifted = { kind: 'srresnet', channels: 4, blocks: 2, norm: 'none', mean: [0.4, 0.5, 0.6] }
  assert.deepEqual(ops(shifted, 1), { Add: 4, Conv: 7, Relu: 2 })
  // A dense block's scale goes into its last convolution; the scale of three blocks has none before it.
  const rrdb = ops({ kind: 'rrdb', channels: 4, blocks: 1, growth: 2 }, 2)
  assert.deepEqual([rrdb.Mul, rrdb.Conv, rrdb.SpaceToDepth, rrdb.Resize], [1, 21, 1, 2])
})

for (const [name, expected] of [
  ['srresnet instance ×3', { receptiveField: null, halo: null, haloError: null, sizeMultiple: 1 }],
  ['encoder-decoder ×3', { receptiveField: 10, sizeMultiple: 4 }],
] as const) {
  test(`${name} becomes a model folder`, async () => {
    const { config, scale } = SMALL_GENERATORS[name]!
    const generator = makeGenerator(tf, config, scale, 1)
    const facts = networkFacts(generator)
    const training = { preset: 'tiny', overrides: {}, steps: 1, seed: 1, engine: 'cpu', data: [], featureLoss: null }
    const run = join(folder, name)
    await saveModel(generator, join(run, 'generator'), { 'about.json': JSON.stringify({ scale, ...facts, training }) })
    const { card } = await exportRun({ run, output: join(folder, 'model'), engine: 'cpu' })
    const { parameters, flopsPerPixel } = facts
    const stated = Object.fromEntries(Object.entries(card).filter(([key]) => key in expected))
    assert.deepEqual(stated, expected)
    assert.deepEqual([card.parameters, card.flopsPerPixel], [parameters, flopsPerPixel])
    if (card.halo !== null) assert.equal(card.halo % card.sizeMultiple, 0)
    generator.dispose()
  })
}
