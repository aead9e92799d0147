import assert from 'node:assert/strict'
import { cp, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { type Tf, useEngine } from '../../nets/engine.js'
import { loadModel } from '../../nets/model-files.js'
import { loadCheckpoint } from '../../train/checkpoint.js'
import { type Config, resolveConfig } from '../../train/config.js'
import { makeRecipe } from '../../train/recipes/index.js'
import { saveConfig } from '../../train/run-folder.js'
import { warmStart } from '../../train/warm-start.js'
import { temporaryFolder, trainLeg, writePhotos } from '../support/training.js'

const home = await temporaryFolder()
const photos = await writePhotos(join(home, 'photos'), 2, 40)
const gan = {
  engine: 'wasm',
  recipe: 'srgan',
  'data.folders': [photos],
  'data.patch': 8,
  'data.batch': 2,
  'data.validation': 0,
  'schedule.steps': 2,
  network: { kind: 'srresnet', channels: 4, blocks: 1, norm: 'batch' },
  critic: { kind: 'srgan', channels: 2, hidden: 4 },
}
const run = join(home, 'run')
let tf: Tf
before(async () => {
  tf = await useEngine('wasm')
  await trainLeg(tf, { config: resolveConfig('tiny', gan), folder: run })
})

async function begin(overrides: Record<string, unknown>) {
  const config: Config = resolveConfig('tiny', { ...gan, seed: 5, ...overrides })
  const recipe = await makeRecipe(tf, config)
  const said: string[] = []
  const tensors = tf.memory().numTensors
  await warmStart(tf, config, recipe, line => said.push(line))
  assert.equal(tf.memory().numTensors, tensors)
  return { ...recipe, said }
}

const numbersOf = (network: TF.LayersModel) => network.getWeights().map(weight => weight.dataSync())

test('a generator begins with the averaged weights of a run, statistics and all; and so do its optimizer and its average', async () => {
  const { networks, optimizers, said } = await begin({ from: run })
  const source = await loadModel(tf, join(run, 'generator'))
  assert.deepEqual(numbersOf(networks.generator!), numbersOf(source))
  const { parameters, averaged, secondMoment } = optimizers.generator!.slots()
  assert.deepEqual(averaged!.dataSync(), parameters.dataSync())
  assert.ok(secondMoment.dataSync().every(value => value === 0))
  assert.equal(said.length, 1)
  assert.match(said[0]!, /^generator: \d+ layers begin with the weights of .*run$/)
  source.dispose()
})

test('the folder of a network will do, such as RUN/best, and a model with its weights', async () => {
  const expected = numbersOf(await loadModel(tf, join(run, 'generator')))
  assert.deepEqual(numbersOf((await begin({ from: join(run, 'generator') })).networks.generator!), expected)
  const model = join(home, 'model')
  await mkdir(model)
  await cp(join(run, 'generator'), join(model, 'weights'), { recursive: true })
  assert.deepEqual(numbersOf((await begin({ from: model })).networks.generator!), expected)
})

test('layers of another shape begin anew and are named: a ×4 network takes the body of a ×2 one', async () => {
  // Another preset, for a preset has its scale.
  const config = resolveConfig('none', { ...gan, scale: 4, from: run })
  const recipe = await makeRecipe(tf, config)
  const fresh = numbersOf((await makeRecipe(tf, config)).networks.generator!)
  const said: string[] = []
  await warmStart(tf, config, recipe, line => said.push(line))
  const [, taken, names] = said[0]!.match(/^generator: (\d+) layers begin with the weights of .*run, anew: (.*)$/)!
  assert.ok(Number(taken) > 3 && names!.split(', ').length >= 1)
  assert.notDeepEqual(numbersOf(recipe.networks.generator!), fresh)
})

test("a critic begins with a run's critic, out of its checkpoint", async () => {
  const trained = await makeRecipe(tf, resolveConfig('tiny', gan))
  await loadCheckpoint(tf, join(run, 'checkpoint'), trained, () => {})
  const { networks, optimizers, said } = await begin({ fromCritic: run })
  assert.deepEqual(numbersOf(networks.critic!), numbersOf(trained.networks.critic!))
  assert.equal(optimizers.critic!.updates(), 0)
  assert.match(said[0]!, /^critic: \d+ layers begin with the weights of/)
})

test('the card tells what a run began with, by its name alone', async () => {
  const folder = join(home, 'second')
  await trainLeg(tf, { config: resolveConfig('tiny', { ...gan, from: run, fromCritic: run }), folder })
  const { training } = JSON.parse(await readFile(join(folder, 'generator/about.json'), 'utf8'))
  assert.deepEqual([training.from, training.recipe], ['run', 'srgan'])
  assert.ok(!JSON.stringify(training).includes(home))
})

test('what cannot be begun with is refused, with the reason', async () => {
  const pixel = join(home, 'pixel')
  // Recipes without a critic once took the options of one.
  const idle = join(home, 'idle-critic')
  const { recipe: _, critic, ...alone } = gan
  await trainLeg(tf, { config: resolveConfig('tiny', alone), folder: pixel })
  await cp(pixel, idle, { recursive: true })
  await saveConfig(idle, resolveConfig('tiny', { ...alone, critic }))
  const empty = join(home, 'empty')
  await mkdir(empty)
  const bare = join(home, 'bare')
  await cp(run, bare, { recursive: true })
  await rm(join(bare, 'checkpoint'), { recursive: true })
  const cases: [Record<string, unknown>, object][] = [
    [{ from: 'no-such-model' }, { code: 'unknown-model', param: 'from', message: /no-such-model.* anew by --set from=null/ }],
    [{ from: empty }, { code: 'unknown-model' }],
    [
      { from: run, network: { kind: 'fast', channels: 8 } },
      { code: 'run-mismatch', param: 'from', message: /no layer of .*run fits.* anew by --set from=null/ },
    ],
    ...[pixel, idle].map((fromCritic): [Record<string, unknown>, object] => [
      { fromCritic },
      { code: 'invalid-option', param: 'fromCritic', got: fromCritic, message: /has no critic.* pixel$/ },
    ]),
    [{ fromCritic: empty }, { code: 'not-a-run', param: 'fromCritic' }],
    [{ fromCritic: bare }, { code: 'not-a-run', param: 'fromCritic', got: 'no checkpoint' }],
    [
      { fromCritic: run, critic: { kind: 'unet', channels: 2 } },
      { code: 'run-mismatch', param: 'fromCritic' },
    ],
    [
      { fromCritic: run, recipe: 'pixel', critic: null },
      { code: 'invalid-option', param: 'fromCritic', message: /pixel has no critic/ },
    ],
  ]
  for (const [overrides, error] of cases) await assert.rejects(begin(overrides), error, JSON.stringify(overrides))
})
