import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { type Tf, useEngine } from '../../nets/engine.js'
import { resolveConfig } from '../../train/config.js'
import type { Recipe } from '../../train/recipe.js'
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

test('a run goes on bit for bit where it was stopped, between two checkpoints', async () => {
  const [straight, broken] = [join(home, 'straight'), join(home, 'broken')]
  await trainLeg(tf, { config, folder: straight })
  assert.equal((await trainLeg(tf, { config, folder: broken, stopAfter: 5 })).steps, 5)
  assert.deepEqual(await readdir(join(broken, 'checkpoint')), ['step-00000004.safetensors', 'step-00000005.safetensors'])
  assert.equal((await trainLeg(tf, { config, folder: broken, resume: true })).steps, 12)
  for (const file of ['checkpoint/step-00000012.safetensors', 'generator/weights.bin', 'samples/step-00000012.png']) {
    assert.deepEqual(await readFile(join(broken, file)), await readFile(join(straight, file)), file)
  }
  assert.deepEqual(await readMetrics(broken), await readMetrics(straight))
  assert.deepEqual(
    (await readMetrics(straight)).map(({ step }) => step),
    [2, 4, 6, 6, 8, 10, 12, 12],
  )
})

test('a finished run that is resumed does nothing but see that its generator is there', async () => {
  const folder = join(home, 'finished')
  const short = resolveConfig('tiny', { ...options, 'schedule.steps': 2 })
  await trainLeg(tf, { config: short, folder })
  const before = await readFile(join(folder, 'checkpoint/step-00000002.safetensors'))
  const { steps, losses } = await trainLeg(tf, { config: short, folder, resume: true })
  assert.deepEqual([steps, losses], [2, []])
  assert.deepEqual(await readFile(join(folder, 'checkpoint/step-00000002.safetensors')), before)
})

test('a loss that becomes no number ends the run; the last good checkpoint and generator stand', async () => {
  const folder = join(home, 'diverged')
  const alter = (recipe: Recipe): Recipe => ({
    ...recipe,
    step: async (batch, step) => ({ ...(await recipe.step(batch, step)), ...(step === 7 ? { 'loss/pixel-l1': Number.NaN } : {}) }),
  })
  await assert.rejects(trainLeg(tf, { config, folder, alter }), { code: 'diverged', param: 'loss/pixel-l1', got: 'NaN', message: /step 7/ })
  assert.deepEqual(await readdir(join(folder, 'checkpoint')), ['step-00000004.safetensors'])
  assert.equal(JSON.parse(await readFile(join(folder, 'generator/about.json'), 'utf8')).training.steps, 4)
  const { steps } = await trainLeg(tf, { config, folder, resume: true })
  assert.equal(steps, 12)
})

test('a real divergence is caught, whichever shows it first, loss or weights', async () => {
  const folder = join(home, 'exploded')
  const wild = resolveConfig('tiny', { ...options, 'optimizer.learningRate': 1e20, 'schedule.warmup': 0 })
  await assert.rejects(trainLeg(tf, { config: wild, folder }), { code: 'diverged' })
})

test('a step that leaves tensors behind is an error, not a slow death', async () => {
  const kept: { dispose(): void }[] = []
  const alter = (recipe: Recipe): Recipe => ({
    ...recipe,
    step(batch, step) {
      if (step === 3) kept.push(tf.zeros([1]))
      return recipe.step(batch, step)
    },
  })
  await assert.rejects(trainLeg(tf, { config, folder: join(home, 'leak'), alter }), /step 3 left 1 tensors behind/)
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
