import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Tf, useEngine } from '../../nets/engine.js'
import { createAdam, movingStatistics, trainableVariables } from '../../train/adam.js'
import { hasCheckpoint, loadCheckpoint, saveCheckpoint } from '../../train/checkpoint.js'
import { random } from '../support/draw.js'
import { stubRecipe } from '../support/stub-recipe.js'
import { temporaryFolder } from '../support/training.js'

const home = await temporaryFolder()
let count = 0
const newFolder = () => join(home, `checkpoint-${++count}`)
const silent = () => {}
let tf: Tf
before(async () => {
  tf = await useEngine('cpu')
})

test('a checkpoint gives back every number, the updates and the progress', async () => {
  const folder = newFolder()
  const recipe = stubRecipe(5)
  recipe.values.parameters.set([1, -0, 1e-38, 3.4e38, 0.1])
  recipe.values.averaged.set([5, 4, 3, 2, 1])
  recipe.updates = 41
  recipe.memory.mean = 0.1
  const progress = { step: 42, best: { metric: 'PSNR-Y', value: 30.5, step: 40 } }
  await saveCheckpoint(folder, recipe, progress, 2)
  const other = stubRecipe(5)
  assert.deepEqual(await loadCheckpoint(tf, folder, other, silent), progress)
  assert.deepEqual(other.values, recipe.values)
  assert.equal(other.updates, 41)
  assert.deepEqual(other.memory, { mean: 0.1 })
})

test('the file is safetensors: header length, JSON header, then the floats it says, all of the file', async () => {
  const folder = newFolder()
  const recipe = stubRecipe(3)
  recipe.values.secondMoment.set([7, 8, 9])
  await saveCheckpoint(folder, recipe, { step: 1, best: null }, 2)
  const bytes = await readFile(join(folder, 'step-00000001.safetensors'))
  const length = Number(bytes.readBigUInt64LE(0))
  assert.equal(length % 8, 0)
  const { __metadata__, ...tensors } = JSON.parse(bytes.toString('utf8', 8, 8 + length))
  assert.ok(Object.values(__metadata__).every(value => typeof value === 'string'))
  const ends = Object.values(tensors as Record<string, { data_offsets: [number, number] }>).map(({ data_offsets: [, end] }) => end)
  assert.equal(8 + length + Math.max(...ends), bytes.length)
  const { dtype, shape, data_offsets: [from, to] } = tensors['generator.secondMoment'] // biome-ignore format: one line
  assert.deepEqual([dtype, shape], ['F32', [3]])
  const part = bytes.subarray(8 + length + from, 8 + length + to)
  assert.deepEqual([part.readFloatLE(0), part.readFloatLE(4), part.readFloatLE(8)], [7, 8, 9])
})

test('two checkpoints are kept; what a taken-back future or a killed writer left goes', async () => {
  const folder = newFolder()
  const recipe = stubRecipe(2)
  for (const step of [1, 2, 3]) await saveCheckpoint(folder, recipe, { step, best: null }, 2)
  assert.deepEqual((await readdir(folder)).sort(), ['step-00000002.safetensors', 'step-00000003.safetensors'])
  await writeFile(join(folder, 'step-00000009.safetensors'), 'damaged')
  await writeFile(join(folder, '.step-00000004.safetensors.123.tmp'), 'half')
  await saveCheckpoint(folder, recipe, { step: 4, best: null }, 2)
  assert.deepEqual((await readdir(folder)).sort(), ['step-00000003.safetensors', 'step-00000004.safetensors'])
})

test('as many checkpoints are kept as asked for', async () => {
  const folder = newFolder()
  for (let step = 1; step <= 6; step++) await saveCheckpoint(folder, stubRecipe(2), { step, best: null }, step < 5 ? 3 : 1)
  assert.deepEqual(await readdir(folder), ['step-00000006.safetensors'])
})

/** A network of dense layers with numbers of its own, after one update; between them, `norm`: batch norms. */
function denseRecipe(seed: number, norm: boolean, statistics = movingStatistics) {
  const norms = norm ? [tf.layers.batchNormalization(), tf.layers.batchNormalization()] : []
  const frozen = tf.layers.dense({ units: 2, trainable: false })
  const network = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [3] }), ...norms, frozen] })
  const next = random(seed)
  const draw = (size: number) => Float32Array.from({ length: size }, next)
  network.setWeights(network.getWeights().map(weight => tf.tensor(draw(weight.size), weight.shape)))
  const variables = trainableVariables(network)
  const adam = createAdam(tf, variables, { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, ema: 0.9 }, statistics(network))
  tf.tidy(() => {
    for (const statistic of movingStatistics(network)) statistic.assign(tf.tensor1d(draw(statistic.size)))
    adam.apply(tf.tensor1d(draw(adam.slots().parameters.size)), 0.01)
  })
  return { networks: { generator: network }, optimizers: { generator: adam }, memory: {} }
}

type DenseRecipe = ReturnType<typeof denseRecipe>
const weightsOf = ({ networks }: DenseRecipe) => networks.generator.getWeights().map(weight => weight.dataSync())
const slotsOf = ({ optimizers }: DenseRecipe) =>
  Object.fromEntries(Object.entries(optimizers.generator.slots()).map(([name, slot]) => [name, slot.dataSync()]))

test('what a network holds beside its parameters comes back too, and every slot, bit for bit', async () => {
  const folder = newFolder()
  const [one, two] = [denseRecipe(1, true), denseRecipe(2, true)]
  await saveCheckpoint(folder, one, { step: 1, best: null }, 2)
  const tensors = tf.memory().numTensors
  await loadCheckpoint(tf, folder, two, silent)
  assert.equal(tf.memory().numTensors, tensors)
  assert.deepEqual(weightsOf(two), weightsOf(one))
  assert.deepEqual(slotsOf(two), slotsOf(one))
  assert.equal(slotsOf(one).averagedStatistics!.length, 12)
  await saveCheckpoint(folder, stubRecipe(two.optimizers.generator.slots().parameters.size), { step: 2, best: null }, 2)
  await assert.rejects(loadCheckpoint(tf, folder, two, silent), { code: 'run-mismatch', message: /generator\.others must have 20 numbers/ })
})

test('a network without batch norm is kept as it ever was: no vector, and no version, is new', async () => {
  const folder = newFolder()
  await saveCheckpoint(folder, denseRecipe(1, false), { step: 1, best: null }, 2)
  const bytes = await readFile(join(folder, 'step-00000001.safetensors'))
  const { __metadata__, ...tensors } = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0))))
  const vectors = ['parameters', 'firstMoment', 'secondMoment', 'averaged', 'others'].map(vector => `generator.${vector}`)
  assert.deepEqual(Object.keys(tensors), vectors)
  assert.equal(__metadata__.version, '2')
})

test('a checkpoint from before the statistics of batch norms were averaged loads: their average begins with them, which is said', async () => {
  const folder = newFolder()
  const before = denseRecipe(1, true, () => [])
  assert.equal('averagedStatistics' in slotsOf(before), false)
  await saveCheckpoint(folder, before, { step: 5, best: null }, 2)
  const now = denseRecipe(2, true)
  const said: string[] = []
  const tensors = tf.memory().numTensors
  await loadCheckpoint(tf, folder, now, line => said.push(line))
  assert.equal(tf.memory().numTensors, tensors)
  assert.deepEqual(weightsOf(now), weightsOf(before))
  const { averagedStatistics, ...slots } = slotsOf(now)
  assert.deepEqual(slots, slotsOf(before))
  const live = movingStatistics(before.networks.generator).flatMap(statistic => Array.from(statistic.dataSync()))
  assert.deepEqual(Array.from(averagedStatistics!), live)
  assert.deepEqual(said, ['generator: the checkpoint holds no average of moving statistics; it begins with those of step 5'])
})

test('a checkpoint of the first version loads: its best was PSNR-Y', async () => {
  const folder = newFolder()
  await saveCheckpoint(folder, stubRecipe(3), { step: 7, best: null }, 2)
  const path = join(folder, 'step-00000007.safetensors')
  await rewriteMeta(path, ({ step, updates }) => ({ step, updates, best: JSON.stringify({ psnrY: 31.5, step: 5 }) }))
  const progress = await loadCheckpoint(tf, folder, stubRecipe(3), silent)
  assert.deepEqual(progress, { step: 7, best: { metric: 'PSNR-Y', value: 31.5, step: 5 } })
  await rewriteMeta(path, meta => ({ ...meta, version: '99' }))
  await assert.rejects(loadCheckpoint(tf, folder, stubRecipe(3), silent), { code: 'run-mismatch', message: /newer uprez/ })
})

async function rewriteMeta(path: string, change: (meta: Record<string, string>) => Record<string, string>): Promise<void> {
  const bytes = await readFile(path)
  const end = 8 + Number(bytes.readBigUInt64LE(0))
  const { __metadata__, ...tensors } = JSON.parse(bytes.toString('utf8', 8, end))
  const json = Buffer.from(JSON.stringify({ __metadata__: change(__metadata__), ...tensors }))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  await writeFile(path, Buffer.concat([length, json, bytes.subarray(end)]))
}

test('a damaged newest checkpoint gives way to the one before it, and is named', async () => {
  const recipe = stubRecipe(100)
  for (const damage of [
    (bytes: Buffer) => bytes.subarray(0, bytes.length - 1),
    (bytes: Buffer) => bytes.subarray(0, 5),
    () => Buffer.alloc(0),
    (bytes: Buffer) => Buffer.concat([Buffer.alloc(40, 255), bytes.subarray(40)]),
  ]) {
    const folder = newFolder()
    for (const step of [1, 2]) await saveCheckpoint(folder, recipe, { step, best: null }, 2)
    const newest = join(folder, 'step-00000002.safetensors')
    await writeFile(newest, damage(await readFile(newest)))
    const said: string[] = []
    assert.equal((await loadCheckpoint(tf, folder, stubRecipe(100), line => said.push(line))).step, 1)
    assert.deepEqual(said, [`${newest} is damaged`])
  }
})

test('nothing to resume from, or only damaged files, is not-a-run; another network is run-mismatch', async () => {
  const folder = newFolder()
  await assert.rejects(loadCheckpoint(tf, folder, stubRecipe(4), silent), { code: 'not-a-run', param: '--resume', got: 'no checkpoint' })
  await mkdir(folder)
  await writeFile(join(folder, '.step-00000001.safetensors.1.tmp'), 'half')
  assert.equal(await hasCheckpoint(folder), false)
  await writeFile(join(folder, 'step-00000001.safetensors'), '')
  await assert.rejects(loadCheckpoint(tf, folder, stubRecipe(4), silent), { code: 'not-a-run', got: '1 damaged checkpoints' })
  await saveCheckpoint(folder, stubRecipe(4), { step: 2, best: null }, 2)
  await assert.rejects(loadCheckpoint(tf, folder, stubRecipe(5), silent), { code: 'run-mismatch', got: '4' })
})

test('a state with a number that is none is not written: the last good checkpoint stands', async () => {
  const folder = newFolder()
  const recipe = stubRecipe(4)
  await saveCheckpoint(folder, recipe, { step: 1, best: null }, 2)
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    recipe.values.parameters[2] = bad
    await assert.rejects(saveCheckpoint(folder, recipe, { step: 2, best: null }, 2), { code: 'diverged', got: String(bad) })
  }
  assert.deepEqual(await readdir(folder), ['step-00000001.safetensors'])
})

test('a place that cannot be written is not-writable', async () => {
  const file = join(home, 'a-file')
  await writeFile(file, '')
  await assert.rejects(saveCheckpoint(join(file, 'checkpoint'), stubRecipe(4), { step: 1, best: null }, 2), { code: 'not-writable' })
})

test('kill -9 in the middle of writing leaves a whole checkpoint, the last that was reported or a later one', async () => {
  const size = 500_000
  const folder = newFolder()
  let halves = 0
  for (let round = 0; round < 4; round++) {
    const reported = await saveUntilKilled(folder, size, 2 + round)
    halves += (await readdir(folder)).filter(name => name.endsWith('tmp')).length
    const recipe = stubRecipe(size)
    const { step } = await loadCheckpoint(tf, folder, recipe, line => assert.fail(line))
    assert.ok(step >= reported, `${step} was found, ${reported} was reported`)
    for (const vector of Object.values(recipe.values)) assert.ok(vector.every(value => value === step))
  }
  assert.ok(halves > 0, 'no kill met a file in the making')
})

/** Kills the child as soon as it has begun to write the file after the one reported last. */
function saveUntilKilled(folder: string, size: number, reports: number): Promise<number> {
  const program = fileURLToPath(new URL('./save-forever.js', import.meta.url))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, folder, String(size)], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', async chunk => {
      text += chunk
      if (text.split('\n').length <= reports || child.killed) return
      while (!child.killed) {
        const names = await readdir(folder)
        if (names.some(name => name.endsWith('tmp'))) child.kill('SIGKILL')
      }
    })
    child.on('error', reject)
    child.on('exit', () => resolve(Number(text.trim().split('\n').at(-1))))
  })
}
