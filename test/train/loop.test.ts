import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { type Tf, useEngine } from '../../nets/engine.js'
import { type Config, resolveConfig } from '../../train/config.js'
import type { Recipe } from '../../train/recipe.js'
import { WITH_BATCH_NORM } from '../support/averages.js'
import { readMetrics, temporaryFolder, trainLeg, writePhotos } from '../support/training.js'

const home = await temporaryFolder()
const photos = await writePhotos(join(home, 'photos'), 4, 40)
const options = {
  engine: 'wasm',
  'data.folders': [photos],
  'data.patch': 8,
  'data.batch': 4,
  'data.validation': 0,
  'schedule.steps': 12,
  every: { log: 2, validate: 6, checkpoint: 4 },
}
const config = resolveConfig('tiny', { ...options, 'data.validation': 1 })
let tf: Tf
before(async () => {
  tf = await useEngine('wasm')
})

for (const [kind, network] of Object.entries({ fast: {}, ...WITH_BATCH_NORM })) {
  test(`${kind}: a run goes on bit for bit where it was stopped, between two checkpoints`, async () => {
    await goesOn(kind, resolveConfig('tiny', { ...options, 'data.validation': 1, ...network }))
  })
}

async function goesOn(kind: string, config: Config): Promise<void> {
  const [straight, broken] = [join(home, `${kind}-straight`), join(home, `${kind}-broken`)]
  await trainLeg(tf, { config, folder: straight })
  assert.equal((await trainLeg(tf, { config, folder: broken, stopAfter: 5 })).done, 5)
  assert.deepEqual(await readdir(join(broken, 'checkpoint')), ['step-00000004.safetensors', 'step-00000005.safetensors'])
  assert.equal((await trainLeg(tf, { config, folder: broken, resume: true })).done, 12)
  for (const file of ['checkpoint/step-00000012.safetensors', 'generator/weights.bin', 'best/weights.bin', 'samples/step-00000012.png']) {
    assert.deepEqual(await readFile(join(broken, file)), await readFile(join(straight, file)), file)
  }
  assert.deepEqual(await readMetrics(broken), await readMetrics(straight))
  assert.deepEqual(
    (await readMetrics(straight)).map(({ step }) => step),
    [2, 4, 6, 6, 8, 10, 12, 12],
  )
}

test('a finished run that is resumed does nothing but see that its generator is there', async () => {
  const folder = join(home, 'finished')
  const short = resolveConfig('tiny', { ...options, 'schedule.steps': 2 })
  await trainLeg(tf, { config: short, folder })
  const before = await readFile(join(folder, 'checkpoint/step-00000002.safetensors'))
  const { done, steps } = await trainLeg(tf, { config: short, folder, resume: true })
  assert.deepEqual([done, steps], [2, []])
  assert.deepEqual(await readFile(join(folder, 'checkpoint/step-00000002.safetensors')), before)
})

/** The recipe, with something else beside at one of its steps. */
function at(step: number, change: (recipe: Recipe, values: Record<string, number>) => void) {
  return (recipe: Recipe): Recipe => ({
    ...recipe,
    async step(batches, now) {
      const values = await recipe.step(batches, now)
      if (now === step) change(recipe, values)
      return values
    },
  })
}

test('a loss or a gradient that becomes no number ends the run; the last good checkpoint and generator stand', async () => {
  const folder = join(home, 'diverged')
  const cases: [string, number][] = [
    ['loss/pixel-l1', Number.NaN],
    ['gradient/generator', Number.POSITIVE_INFINITY],
  ]
  for (const [i, [param, bad]] of cases.entries()) {
    const alter = at(7, (_, values) => {
      values[param] = bad
    })
    const leg = trainLeg(tf, { config, folder, alter, resume: i > 0 })
    await assert.rejects(leg, { code: 'diverged', param, got: String(bad), message: /step 7/ })
    assert.deepEqual(await readdir(join(folder, 'checkpoint')), ['step-00000004.safetensors'])
    assert.equal(JSON.parse(await readFile(join(folder, 'generator/about.json'), 'utf8')).training.steps, 4)
  }
  const { done } = await trainLeg(tf, { config, folder, resume: true })
  assert.equal(done, 12)
})

test('one number in the data that is none is caught in its step', async () => {
  const alter = (recipe: Recipe): Recipe => ({
    ...recipe,
    step(batches, step) {
      if (step === 3) batches[0]!.high[5] = Number.NaN
      return recipe.step(batches, step)
    },
  })
  const leg = trainLeg(tf, { config, folder: join(home, 'planted'), alter })
  await assert.rejects(leg, { code: 'diverged', param: 'loss/pixel-l1', message: /step 3/ })
})

test('weights that are no numbers, under a loss that still is one, do not get into a checkpoint', async () => {
  const folder = join(home, 'poisoned')
  const alter = at(8, ({ optimizers }) => {
    const size = optimizers.generator!.slots().parameters.size
    const poisoned = Object.keys(optimizers.generator!.slots()).map(name => [name, new Float32Array(size).fill(Number.NaN)])
    optimizers.generator!.restore(Object.fromEntries(poisoned), 8)
  })
  await assert.rejects(trainLeg(tf, { config, folder, alter }), { code: 'diverged', param: 'generator.parameters', message: /step 8/ })
  assert.deepEqual(await readdir(join(folder, 'checkpoint')), ['step-00000004.safetensors'])
})

test('a real divergence is caught, whichever shows it first, loss or weights', async () => {
  const folder = join(home, 'exploded')
  const wild = resolveConfig('tiny', { ...options, 'optimizer.learningRate': 1e20, 'schedule.warmup': 0 })
  await assert.rejects(trainLeg(tf, { config: wild, folder }), { code: 'diverged' })
})

test('a step that leaves tensors behind is an error, not a slow death', async () => {
  const kept: { dispose(): void }[] = []
  const alter = at(3, () => kept.push(tf.zeros([1])))
  await assert.rejects(trainLeg(tf, { config, folder: join(home, 'leak'), alter }), /step 3 left 1 tensors behind/)
  for (const tensor of kept) tensor.dispose()
})

/** A module of the user's, as a file. */
async function moduleOf(name: string, code: string): Promise<string> {
  const path = join(home, `${name}.mjs`)
  await writeFile(path, code)
  return path
}

test('a loss of the user may keep what it makes at its first call', async () => {
  const path = await moduleOf(
    'caching-loss',
    'let half; export default (tf, a, b) => a.sub(b).abs().mean().mul((half ??= tf.keep(tf.scalar(0.5))))',
  )
  const folder = join(home, 'caching-loss')
  const own = resolveConfig('tiny', { ...options, 'losses.module.path': path })
  assert.equal((await trainLeg(tf, { config: own, folder, stopAfter: 3 })).done, 3)
  assert.equal((await trainLeg(tf, { config: own, folder, resume: true })).done, 12)
})

test('a module of the user that leaves tensors behind at every step is named', async () => {
  const loss = await moduleOf('leaking-loss', 'export default (tf, a, b) => { tf.keep(tf.scalar(1)); return a.sub(b).abs().mean() }')
  const leaking = resolveConfig('tiny', { ...options, 'losses.module.path': loss })
  await assert.rejects(trainLeg(tf, { config: leaking, folder: join(home, 'leaking-loss') }), {
    code: 'invalid-module',
    param: 'losses.module.path',
    message: /step 2 left 1 tensors behind/,
  })

  const network = await moduleOf(
    'network',
    `export default ({ tf, layers, scale }) => {
      const image = tf.input({ shape: [null, null, 3] })
      const pixels = tf.layers.conv2d({ filters: 3 * scale ** 2, kernelSize: 3, padding: 'same', activation: 'relu' }).apply(image)
      return tf.model({ inputs: image, outputs: layers.pixelShuffle({ scale }).apply(pixels) })
    }`,
  )
  const own = resolveConfig('tiny', { ...options, network: { kind: 'module', path: network } })
  const kept: { dispose(): void }[] = []
  const alter = at(3, () => kept.push(tf.zeros([1])))
  await assert.rejects(trainLeg(tf, { config: own, folder: join(home, 'leaking-network'), alter }), {
    code: 'invalid-module',
    param: 'network.path',
  })
  for (const tensor of kept) tensor.dispose()
})

test('a full disk is no-space, and the checkpoints written before stand whole', async context => {
  const small = join(home, 'small-disk')
  await mkdir(small)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=700k', 'tmpfs', small]).status !== 0)
    return context.skip('no file system can be mounted here')
  try {
    const often = resolveConfig('tiny', { ...options, 'every.checkpoint': 1 })
    await assert.rejects(trainLeg(tf, { config: often, folder: join(small, 'run') }), { code: 'no-space' })
    const names = await readdir(join(small, 'run/checkpoint'))
    const whole = (await readFile(join(small, 'run/checkpoint', names[0]!))).length
    assert.ok(names.length > 0 && names.every(name => name.endsWith('.safetensors')), names.join(' '))
    for (const name of names) assert.equal((await readFile(join(small, 'run/checkpoint', name))).length, whole)
  } finally {
    spawnSync('umount', [small])
  }
})

/** The recipe, with these scores at its validations, one after the other. */
function scoring(scores: Record<string, number>[]) {
  let count = 0
  return (recipe: Recipe): Recipe => ({ ...recipe, validate: async () => scores[count++]! })
}

async function bestOf(folder: string): Promise<number> {
  return JSON.parse(await readFile(join(folder, 'best/about.json'), 'utf8')).training.steps
}

test('the best generator so far is kept, by the metric named, over an interruption', async () => {
  const often = { ...options, 'data.validation': 1, every: { log: 12, validate: 2, checkpoint: 12 } }
  const scores = [20, 22, 21, 22, 23, 19].map((psnr, i) => ({ 'PSNR-Y': psnr, NIQE: [5, 4, 6, 3, 7, 8][i]! }))

  const folder = join(home, 'best')
  const up = resolveConfig('tiny', often)
  const begun = await trainLeg(tf, { config: up, folder, alter: scoring(scores), stopAfter: 6 })
  assert.equal(await bestOf(folder), 4)
  const said = begun.lines.filter(line => line.includes('validation '))
  assert.deepEqual(
    said.map(line => line.includes('best PSNR-Y so far')),
    [true, true, false],
  )
  await trainLeg(tf, { config: up, folder, alter: scoring(scores.slice(3, 4)), resume: true, stopAfter: 8 })
  assert.equal(await bestOf(folder), 4)
  await trainLeg(tf, { config: up, folder, alter: scoring(scores.slice(4)), resume: true })
  assert.equal(await bestOf(folder), 10)
  assert.notDeepEqual(await readFile(join(folder, 'best/weights.bin')), await readFile(join(folder, 'generator/weights.bin')))

  const other = join(home, 'best-niqe')
  const down = resolveConfig('tiny', { ...often, 'best.metric': 'NIQE' })
  await trainLeg(tf, { config: down, folder: other, alter: scoring(scores) })
  assert.equal(await bestOf(other), 8)
})

test('where no picture is large enough for the metric of the best, a run says so, keeps none, and goes on', async () => {
  const folder = join(home, 'best-none')
  const natural = resolveConfig('tiny', { ...options, 'data.validation': 1, 'best.metric': 'NIQE' })
  const { done, lines } = await trainLeg(tf, { config: natural, folder })
  assert.equal(done, 12)
  const said = lines.filter(line => line.includes('no best is kept'))
  assert.deepEqual(
    said.map(line => line.match(/^step (\d+): .* NIQE$/)?.[1]),
    ['6', '12'],
  )
  assert.deepEqual(
    (await readdir(folder)).filter(name => name === 'best' || name === 'checkpoint'),
    ['checkpoint'],
  )
  const scores = (await readMetrics(folder)).filter(line => 'validation/PSNR-Y' in line)
  assert.deepEqual(
    scores.map(({ step }) => step),
    [6, 12],
  )
})

test('the last step is logged, however rarely the others are', async () => {
  const folder = join(home, 'rarely')
  await trainLeg(tf, { config: resolveConfig('tiny', { ...options, every: { log: 5 } }), folder })
  assert.deepEqual(
    (await readMetrics(folder)).map(({ step }) => step),
    [5, 10, 12],
  )
})

test('checkpoints, sheets of samples and histograms come as often, and as many stay, as asked for', async () => {
  const folder = join(home, 'frequencies')
  const every = { log: 12, validate: 12, checkpoint: 2, samples: 5, histograms: 6 }
  const often = resolveConfig('tiny', { ...options, 'data.validation': 1, every, keep: 3 })
  const { recipe } = await trainLeg(tf, { config: often, folder })
  const names = (steps: number[], extension: string) => steps.map(step => `step-${String(step).padStart(8, '0')}.${extension}`)
  assert.deepEqual(await readdir(join(folder, 'checkpoint')), names([8, 10, 12], 'safetensors'))
  assert.deepEqual(await readdir(join(folder, 'samples')), names([5, 10, 12], 'png'))
  const [events] = (await readdir(folder)).filter(name => name.startsWith('events.'))
  const text = (await readFile(join(folder, events!))).toString('latin1')
  for (const { originalName } of recipe.networks.generator!.trainableWeights) {
    assert.equal(text.split(`generator/${originalName}`).length - 1, 2, originalName)
  }
})
