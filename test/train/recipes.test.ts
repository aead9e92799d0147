import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { type Tf, useEngine } from '../../nets/engine.js'
import type { Batch } from '../../train/batches.js'
import type { Config } from '../../train/config.js'
import { criticLoss, generatorLoss } from '../../train/losses/adversarial.js'
import { makeRecipe } from '../../train/recipes/index.js'
import { random } from '../support/draw.js'
import { CRITICS, RECIPES, smallRun } from '../support/recipes.js'
import { readMetrics, temporaryFolder, trainLeg, writePhotos } from '../support/training.js'

const home = await temporaryFolder()
const photos = await writePhotos(join(home, 'photos'), 4, 40)
const configOf = (overrides: Record<string, unknown>): Config => smallRun(photos, overrides)

let tf: Tf
before(async () => {
  tf = await useEngine('wasm')
})

for (const [name, overrides] of Object.entries(RECIPES)) {
  test(`${name}: trains every network, and goes on bit for bit where it was stopped`, async () => {
    const config = configOf(overrides)
    const [straight, broken] = [join(home, `${name}-straight`), join(home, `${name}-broken`)]
    const { done, recipe, steps } = await trainLeg(tf, { config, folder: straight })
    assert.equal(done, 6)
    assert.deepEqual(Object.keys(recipe.networks), name === 'pixel' ? ['generator'] : ['generator', 'critic'])
    assert.ok(steps.every(values => Object.values(values).every(Number.isFinite)))

    const fresh = await makeRecipe(tf, config)
    for (const [network, { layers }] of Object.entries(recipe.networks)) {
      for (const layer of layers) {
        const start = fresh.networks[network]!.getLayer(layer.name).getWeights()
        for (const [i, weight] of layer.getWeights().entries()) {
          assert.notDeepEqual(weight.dataSync(), start[i]!.dataSync(), `${network}, ${layer.weights[i]!.name} did not change`)
        }
      }
    }

    await trainLeg(tf, { config, folder: broken, stopAfter: 3 })
    await trainLeg(tf, { config, folder: broken, resume: true })
    for (const file of ['checkpoint/step-00000006.safetensors', 'generator/weights.bin']) {
      assert.deepEqual(await readFile(join(broken, file)), await readFile(join(straight, file)), file)
    }
    assert.deepEqual(await readMetrics(broken), await readMetrics(straight))
    const about = JSON.parse(await readFile(join(straight, 'generator/about.json'), 'utf8'))
    assert.equal(about.training.recipe, name)
  })
}

function noise({ data, scale }: Config, seed: number): Batch {
  const next = random(seed)
  const floats = (side: number) => Float32Array.from({ length: data.batch * side * side * 3 }, next)
  return { low: floats(data.patch), high: floats(data.patch * scale) }
}

test('a translation moves result and original alike, in every recipe: equal ones stay equal, others are compared elsewhere', async () => {
  for (const [name, overrides] of Object.entries(RECIPES)) {
    const values = []
    for (const translation of [0, 3]) {
      const config = configOf({ ...overrides, 'losses.translation': translation })
      const recipe = await makeRecipe(tf, config)
      const batches = Array.from({ length: recipe.batchesPerStep }, (_, i) => noise(config, 3 + i))
      values.push(await recipe.step(batches, 1))
    }
    const [still, moved] = values as [Record<string, number>, Record<string, number>]
    assert.deepEqual(Object.keys(moved), Object.keys(still), name)
    for (const loss of Object.keys(still).filter(key => /^loss\/(pixel|critic|adversarial)/.test(key))) {
      assert.notEqual(moved[loss], still[loss], `${name} ${loss}`)
    }
    // Black stands against black where something came in: that part of the difference is gone.
    const [pixel] = Object.keys(still).filter(key => key.startsWith('loss/pixel'))
    assert.ok(moved[pixel!]! < still[pixel!]!, name)
  }
})

test('what the adversarial recipes log are the losses of their papers, of both networks as they were before the step', async () => {
  for (const name of ['esrgan', 'wgan-gp'] as const) {
    const config = configOf({ ...RECIPES[name], 'losses.gan.criticSteps': 1, 'losses.gan.drift': 0, 'losses.gan.penalty': 1e-12 })
    const recipe = await makeRecipe(tf, config)
    const { kind, weight } = config.losses.gan
    const batch = noise(config, 3)
    const { generator, critic } = recipe.networks
    const judge = (x: TF.Tensor) => critic!.apply(x, { training: false }) as TF.Tensor
    const expected = tf.tidy(() => {
      const high = tf.tensor4d(batch.high, [4, 16, 16, 3])
      const fake = generator!.apply(tf.tensor4d(batch.low, [4, 8, 8, 3]), { training: true }) as TF.Tensor4D
      const [onReal, onFake] = [judge(high), judge(fake)]
      return {
        'loss/adversarial': weight * generatorLoss(tf, kind, onFake, onReal).dataSync()[0]!,
        'loss/critic': criticLoss(tf, kind, onReal, onFake).dataSync()[0]!,
        'loss/pixel-l1': tf.sub(fake, high).abs().mean().dataSync()[0]!,
      }
    })
    const values = await recipe.step([batch], 1)
    for (const [loss, value] of Object.entries(expected)) {
      // Spectral norm takes a step of its power iteration each time it is asked.
      const tolerance = name === 'esrgan' && loss !== 'loss/pixel-l1' ? 0.05 : 1e-5
      assert.ok(
        Math.abs(values[loss]! - value) <= tolerance * Math.max(1, Math.abs(value)),
        `${name} ${loss}: ${values[loss]}, not ${value}`,
      )
    }
    assert.ok(values['learning rate/generator']! > 0)
  }
})

test('in its first phase an adversarial recipe leaves the critic alone', async () => {
  const config = configOf({ ...RECIPES.srgan, 'schedule.pixelSteps': 1 })
  const recipe = await makeRecipe(tf, config)
  const weights = () => recipe.networks.critic!.getWeights().map(weight => weight.dataSync().slice())
  const start = weights()
  const first = await recipe.step([noise(config, 1)], 1)
  assert.deepEqual(weights(), start)
  assert.deepEqual(
    Object.keys(first).filter(name => name.startsWith('loss/')),
    ['loss/pixel-l1'],
  )
  const second = await recipe.step([noise(config, 2)], 2)
  assert.notDeepEqual(weights(), start)
  assert.deepEqual(
    Object.keys(second)
      .filter(name => name.startsWith('loss/'))
      .sort(),
    ['loss/adversarial', 'loss/critic', 'loss/feature', 'loss/pixel-l1'],
  )
})

test('a batch in parts gives the same update as the whole, where nothing looks at the batch as one', async () => {
  const after = async (accumulate: number) => {
    const config = configOf({ 'optimizer.accumulate': accumulate, 'schedule.warmup': 0 })
    const recipe = await makeRecipe(tf, config)
    const values = await recipe.step([noise(config, 1)], 1)
    return { values, weights: recipe.networks.generator!.getWeights().map(weight => weight.dataSync()) }
  }
  const [whole, parts] = await Promise.all([after(1), after(4)])
  for (const [name, value] of Object.entries(whole.values)) assert.ok(Math.abs(parts.values[name]! - value) < 1e-5 * Math.abs(value), name)
  // One step of Adam is as long for a small gradient as for a large one: where it is nearly 0, the order of a sum decides.
  const differences = whole.weights.flatMap((weight, i) => Array.from(weight, (value, j) => Math.abs(value - parts.weights[i]![j]!)))
  assert.ok(differences.filter(difference => difference > 1e-5).length < 0.002 * differences.length)
  await assert.rejects(after(3), { code: 'invalid-option', param: 'optimizer.accumulate', got: '3' })
})

test('wgan-gp: the first batch is for the generator, every batch for the critic; the norm has a running mean', async () => {
  const config = configOf(RECIPES['wgan-gp'])
  const run = async (batches: Batch[]) => {
    const recipe = await makeRecipe(tf, config)
    assert.equal(recipe.batchesPerStep, 2)
    const values = await recipe.step(batches, 1)
    const [generator, critic] = ['generator', 'critic'].map(name => recipe.networks[name]!.getWeights().map(weight => weight.dataSync()))
    return { values, generator, critic, recipe }
  }
  const [a, b, c] = [1, 2, 3].map(seed => noise(config, seed)) as [Batch, Batch, Batch]
  const [ab, ac, cb] = [await run([a, b]), await run([a, c]), await run([c, b])]
  assert.deepEqual(ab.generator, ac.generator)
  assert.notDeepEqual(ab.generator, cb.generator)
  assert.notDeepEqual(ab.critic, ac.critic)
  assert.notDeepEqual(ab.critic, cb.critic)

  const norm = (values: Record<string, number>) => values['critic/gradient norm']!
  const mean = (values: Record<string, number>) => values['critic/gradient norm, running mean']!
  assert.equal(mean(ab.values), norm(ab.values))
  const next = await ab.recipe.step([b, c], 2)
  assert.ok(Math.abs(mean(next) - (0.99 * mean(ab.values) + 0.01 * norm(next))) < 1e-12)
})

test('wgan-gp with a bound clips the weights of the critic in place of the penalty', async () => {
  const config = configOf({ ...RECIPES['wgan-gp'], 'losses.gan.clip': 0.01, 'losses.gan.criticSteps': 1 })
  const recipe = await makeRecipe(tf, config)
  const values = await recipe.step([noise(config, 1)], 1)
  assert.equal('critic/penalty' in values, false)
  assert.ok(Number.isFinite(values['critic/estimate']))
  const weights = recipe.networks.critic!.getWeights().flatMap(weight => Array.from(weight.dataSync()))
  assert.ok(weights.every(value => Math.abs(value) <= 0.01 + 1e-9) && weights.some(value => Math.abs(value) > 0.0099))
})

test('options that a recipe cannot do with are refused before anything is trained', async () => {
  const cases: [Record<string, unknown>, object][] = [
    [{ recipe: 'srgan' }, { code: 'invalid-option', param: 'critic', message: /srgan needs a critic, for example --set critic\.kind/ }],
    [
      { ...RECIPES.srgan, 'losses.gan.kind': 'wasserstein' },
      { param: 'losses.gan.kind', expected: 'vanilla, lsgan or hinge' },
    ],
    [
      { ...RECIPES.esrgan, 'losses.gan.kind': 'vanilla' },
      { param: 'losses.gan.kind', expected: 'relativistic' },
    ],
    [
      { ...RECIPES['wgan-gp'], 'losses.gan.kind': 'hinge' },
      { param: 'losses.gan.kind', expected: 'wasserstein' },
    ],
    [
      { ...RECIPES['wgan-gp'], ...CRITICS.srgan },
      { code: 'invalid-option', param: 'critic.kind', message: /norm2 .*ties the images of a batch together/ },
    ],
    [
      { ...RECIPES['wgan-gp'], 'critic.kind': 'patchgan', 'critic.channels': 4, 'critic.levels': 2, 'critic.norm': 'instance' },
      { code: 'invalid-option', param: 'critic.kind', message: /differentiated a second time/ },
    ],
    [
      { 'losses.feature.weight': 1, 'losses.feature.network': 'critic' },
      { code: 'invalid-option', param: 'losses.feature.network' },
    ],
    [{ 'losses.pixel.weight': 0 }, { code: 'invalid-option', param: 'losses.pixel.weight' }],
    [
      { ...RECIPES.srgan, 'losses.pixel.weight': 0 },
      { code: 'invalid-option', param: 'losses.pixel.weight' },
    ],
  ]
  for (const [overrides, error] of cases) await assert.rejects(makeRecipe(tf, configOf(overrides)), error)
  const clipped = configOf({ ...RECIPES['wgan-gp'], ...CRITICS.srgan, 'losses.gan.clip': 0.01 })
  await makeRecipe(tf, clipped)
})
