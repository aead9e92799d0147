import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { Command } from 'commander'
import { blend, mix } from '../../export/blend.js'
import { addBlendCommand } from '../../export/command.js'
import { deployed } from '../../export/deployed.js'
import { exportRun } from '../../export/export.js'
import { findModel } from '../../models/catalog.js'
import { useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { generatorSchema, makeGenerator } from '../../nets/generator.js'
import { loadModel, saveModel } from '../../nets/model-files.js'
import { random } from '../support/draw.js'

const tf = await useEngine('wasm')
const data = { name: 'photos', source: 'drawn', licence: 'CC0', images: 2 }
let folder = ''
let models = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-blend-test-'))
  models = join(folder, 'models')
  process.env.UPREZ_MODELS = models
})
after(() => rm(folder, { recursive: true }))

test('the ends are the two models, the middle is between them weight by weight', async () => {
  const [a, b] = [await writeRun('pixel', 1), await writeRun('gan', 2)].map(run => join(run, 'generator')) as [string, string]
  const numbers = (model: TF.LayersModel) => model.getWeights().flatMap(weight => Array.from(weight.dataSync()))
  const kernels = async (dir: string) => numbers((await deployed(tf, await loadModel(tf, dir))).model)
  const [first, second] = [await kernels(a), await kernels(b)]
  for (const [strength, tolerance] of [
    [0, 0],
    [0.25, 1e-6],
    [1, 0],
  ] as const) {
    const mixed = numbers(await mix(tf, a, b, strength))
    const expected = first.map((value, i) => (1 - strength) * value + strength * second[i]!)
    assert.equal(mixed.length, expected.length)
    assert.ok(
      mixed.every((value, i) => Math.abs(value - expected[i]!) <= tolerance),
      `at ${strength}`,
    )
  }
})

test('the card tells what it is made of, and the folder exports and blends again', async () => {
  const a = await writeRun('card-a', 1, {}, { steps: 10, featureLoss: null })
  const exported = await exportRun({ run: await writeRun('card-b', 2), output: join(models, 'gan-x2'), licence: 'MIT' })
  const { dir, card } = await blend({ a, b: 'gan-x2', strength: 0.3, output: join(models, 'between') })
  assert.deepEqual((await findModel('between')).card, card)
  assert.deepEqual(card.training, {
    preset: 'blend',
    overrides: {},
    steps: 0,
    seed: 0,
    engine: 'wasm',
    data: [data],
    featureLoss: 'the critic itself',
    blend: {
      strength: 0.3,
      of: [
        { id: 'card-a', preset: 'tiny', steps: 10 },
        { id: 'gan-x2', preset: 'tiny', steps: 5 },
      ],
    },
  })
  assert.deepEqual([card.licence, card.scores, card.parameters], ['not stated and MIT', [], exported.card.parameters])
  assert.match(card.purpose, /between card-a \(0\) and gan-x2 \(1\) at 0\.3/)
  const again = await exportRun({ run: dir, output: join(models, 'again') })
  assert.deepEqual(again.card.training, card.training)
})

test('factors that are others of the same kernels change nothing', async () => {
  const a = await writeRun('factors', 1)
  const model = await loadModel(tf, join(a, 'generator'))
  // (A·2)·(B/2) = A·B, and the sign of one turned with that of the other.
  for (const layer of model.layers.filter(layer => 'collapsed' in layer)) {
    const [expand, project, bias] = layer.getWeights()
    layer.setWeights([expand!.mul(-2), project!.div(-2), bias!])
  }
  const b = join(folder, 'turned')
  await saveModel(model, join(b, 'generator'), { 'about.json': JSON.stringify(aboutOf(model)) })
  const expected = answerOf(model)
  const got = answerOf(await mix(tf, join(a, 'generator'), join(b, 'generator'), 0.5))
  assert.ok(got.every((value, i) => Math.abs(value - expected[i]!) < 1e-5))
})

test('a network in its deployed form answers as before; batch normalisation keeps its statistics', async () => {
  for (const options of [
    { kind: 'fast', channels: 8, blocks: 2, expansion: 12 },
    { kind: 'srresnet', channels: 8, blocks: 1 },
  ]) {
    const model = makeGenerator(tf, generatorSchema.parse(options), 2, 3)
    const next = random(4)
    model.setWeights(
      model.getWeights().map(weight =>
        tf.tensor(
          Array.from(weight.dataSync(), value => value + 0.1 * next()),
          weight.shape,
        ),
      ),
    )
    const before = answerOf(model)
    const plain = await deployed(tf, model)
    const answer = answerOf(plain.model)
    assert.ok(
      before.every((value, i) => Math.abs(value - answer[i]!) < 1e-4),
      String(options.kind),
    )
    plain.model.dispose()
  }
})

test('networks that differ are refused, the first layer that does named', async () => {
  const a = await writeRun('like', 1)
  const output = join(models, 'never')
  const wider = await writeRun('wider', 1, { channels: 12 })
  await assert.rejects(blend({ a, b: wider, strength: 0.5, output }), {
    code: 'run-mismatch',
    param: 'first',
    expected: 'CollapsibleConv2D first, filters 8',
    got: 'CollapsibleConv2D first, filters 12',
  })
  const deeper = await writeRun('more-blocks', 1, { blocks: 3 })
  await assert.rejects(blend({ a, b: deeper, strength: 0.5, output }), { code: 'run-mismatch', message: /skip.* in the first, .*block3/ })
  const other = await writeRun('srvgg', 1, { kind: 'srvgg' })
  await assert.rejects(blend({ a, b: other, strength: 0.5, output }), { code: 'run-mismatch' })
  // Only what training needs differs: the factors' inner width, the seed.
  const expanded = await writeRun('expanded', 7, { expansion: 20 })
  await mix(tf, join(a, 'generator'), join(expanded, 'generator'), 0.5)
  assert.ok(!(await readdir(models)).includes('never'))
})

test('a strength that is none and a model that is nowhere are refused', async () => {
  const a = await writeRun('alone', 1)
  const output = join(models, 'never')
  for (const strength of [-0.1, 1.1, Number.NaN]) {
    await assert.rejects(blend({ a, b: a, strength, output }), { code: 'invalid-option', param: 'strength' })
  }
  for (const b of ['nobody-x2', join(folder, 'nowhere')])
    await assert.rejects(blend({ a, b, strength: 0.5, output }), { code: 'not-a-run', got: b })
})

test('the command', async t => {
  const printed: string[] = []
  t.mock.method(console, 'log', (line: string) => printed.push(line))
  t.mock.method(console, 'error', () => {})
  const program = new Command().exitOverride()
  addBlendCommand(program)
  const [a, b] = [await writeRun('left', 1), await writeRun('right', 2)]
  await program.parseAsync(['blend', a, b, '--strength', '0.75', '-o', join(models, 'mixed'), '--title', 'Mixed', '--json'], {
    from: 'user',
  })
  const card = JSON.parse(printed.join('\n'))
  assert.deepEqual([card.training.blend.strength, card.title], [0.75, 'Mixed'])
})

const SMALL = { kind: 'fast', channels: 8, blocks: 2, expansion: 12 }

async function writeRun(name: string, seed: number, network: object = {}, training: object = {}): Promise<string> {
  const model = makeGenerator(tf, generatorSchema.parse('kind' in network ? network : { ...SMALL, ...network }), 2, seed)
  await saveModel(model, join(folder, name, 'generator'), { 'about.json': JSON.stringify(aboutOf(model, training)) })
  model.dispose()
  return join(folder, name)
}

function aboutOf(model: TF.LayersModel, training: object = {}): object {
  const made = { preset: 'tiny', overrides: {}, steps: 5, seed: 0, engine: 'wasm', data: [data], featureLoss: 'the critic itself' }
  return { scale: 2, ...networkFacts(model), training: { ...made, ...training } }
}

function answerOf(model: TF.LayersModel): ArrayLike<number> & { every: Float32Array['every'] } {
  const next = random(6)
  const low = Float32Array.from({ length: 12 * 9 * 3 }, next)
  return tf.tidy(() => (model.predict(tf.tensor4d(low, [1, 12, 9, 3])) as TF.Tensor).dataSync() as Float32Array)
}
