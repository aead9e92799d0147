import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { adopt, readWeights } from '../../export/adopt.js'
import { exportGraph, exportRun } from '../../export/export.js'
import { serialize } from '../../export/onnx.js'
import { exportSafetensors } from '../../export/safetensors.js'
import { largestDifference } from '../../export/verify.js'
import type { Weights } from '../../nets/community/architecture.js'
import { build, recognise } from '../../nets/community/index.js'
import { useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { generatorSchema, makeGenerator } from '../../nets/generator.js'
import { loadModel, saveModel } from '../../nets/model-files.js'
import { safetensors } from '../../nets/safetensors.js'
import { openSession } from '../../probe/session.js'
import { random } from '../support/draw.js'
import { askTorch, readFloats, withoutTorch } from '../support/torch.js'
import { temporaryFolder } from '../support/training.js'

const tf = await useEngine('wasm')
const home = await temporaryFolder()

/** Networks of ours that the community has too, and what an adopted one is then called. */
const SHARED = {
  'rrdb ×4': [{ kind: 'rrdb', channels: 4, blocks: 2, growth: 2 }, 4, 'RRDBNet'],
  'rrdb ×2': [{ kind: 'rrdb', channels: 4, blocks: 1, growth: 2 }, 2, 'RRDBNet'],
  'rrdb ×1': [{ kind: 'rrdb', channels: 4, blocks: 1, growth: 2 }, 1, 'RRDBNet'],
  'rrdb ×2 without unshuffling': [{ kind: 'rrdb', channels: 4, blocks: 1, growth: 2, unshuffle: false }, 2, 'RRDBNet'],
  'srvgg ×3': [{ kind: 'srvgg', channels: 4, blocks: 2 }, 3, 'SRVGGNetCompact'],
  'srvgg ×2 of leaky ReLUs': [{ kind: 'srvgg', channels: 4, blocks: 1, activation: 'leaky-relu' }, 2, 'SRVGGNetCompact'],
  'srvgg ×1 of ReLUs': [{ kind: 'srvgg', channels: 4, blocks: 0, activation: 'relu' }, 1, 'SRVGGNetCompact'],
  'msrresnet ×4': [{ kind: 'msrresnet', channels: 4, blocks: 2 }, 4, 'MSRResNet'],
  'msrresnet ×3': [{ kind: 'msrresnet', channels: 4, blocks: 1 }, 3, 'MSRResNet'],
} as const

for (const [name, [options, scale, architecture]] of Object.entries(SHARED)) {
  test(`${name} written for the community and adopted again is the same network, bit for bit`, async () => {
    const { run, model } = await writeRun(options, scale)
    const written = await exportSafetensors(run, join(home, `${name}.safetensors`))
    assert.equal(written.architecture, architecture)
    const weights = await readWeights(written.file)
    const found = recognise(weights, written.file)
    assert.deepEqual([found.architecture, found.network, found.scale], [architecture, generatorSchema.parse(options), scale])
    assert.deepEqual(numbersOf(build(tf, found, weights)), numbersOf(model))
  })
}

test('an adopted file becomes a model folder whose card says where its weights come from, and nothing that is not known', async () => {
  const { run, model } = await writeRun(SHARED['srvgg ×3'][0], 3)
  const { file } = await exportSafetensors(run, join(home, 'found.safetensors'))
  const { dir, card } = await adopt({ file, output: join(home, 'found-x3') })
  assert.deepEqual(card.training, {
    preset: 'adopted',
    overrides: {},
    steps: 0,
    seed: 0,
    engine: 'unknown',
    data: [],
    featureLoss: null,
    adopted: {
      file: 'found.safetensors',
      sha256: createHash('sha256')
        .update(await readFile(file))
        .digest('hex'),
      architecture: 'SRVGGNetCompact',
      network: { kind: 'srvgg', channels: 4, blocks: 2, activation: 'prelu' },
      assumed: [],
    },
  })
  assert.deepEqual([card.id, card.scale, card.licence, card.scores], ['found-x3', 3, 'unknown', []])
  assert.ok(card.parity!.maxDifference <= 1e-4)
  assert.deepEqual(numbersOf(await loadModel(tf, join(dir, 'weights'))), numbersOf(model))

  const again = await exportRun({ run: dir, output: join(home, 'again-x3'), licence: 'MIT' })
  assert.deepEqual([again.card.training, again.card.licence], [card.training, 'MIT'])
})

test('keys in the wrapper of several GPUs are read', async () => {
  const weights = await sharedWeights('srvgg ×3')
  const file = await writeWeights(new Map([...weights].map(([key, weight]) => [`module.${key}`, weight])))
  assert.equal(recognise(await readWeights(file), file).architecture, 'SRVGGNetCompact')
})

test('weights that fit no architecture are refused, naming the nearest one and what is amiss; nothing is left behind', async () => {
  const whole = await sharedWeights('rrdb ×4')
  const refused = async (change: (weights: Weights) => void, code: string, message: RegExp) => {
    const weights = new Map(whole)
    change(weights)
    const file = await writeWeights(weights)
    await assert.rejects(adopt({ file, output: join(home, 'refused') }), { code, message })
  }
  const conv = 'body.1.rdb2.conv3.weight'
  await refused(weights => weights.delete(conv), 'unknown-architecture', /nearest is RRDBNet; missing: body\.1\.rdb2\.conv3\.weight$/)
  await refused(
    weights => {
      for (let i = 0; i < 6; i++) weights.set(`conv1x1.${i}`, whole.get(conv)!)
    },
    'unknown-architecture',
    /nearest is RRDBNet; unexpected: conv1x1\.0, conv1x1\.1, conv1x1\.2, conv1x1\.3 and 2 more/,
  )
  await refused(
    weights => weights.set(conv, { shape: [2, 8, 1, 1], data: new Float32Array(16) }),
    'invalid-weights',
    /conv3\.weight is \[2,8,1,1\], expected \[2,8,3,3\]/,
  )
  await refused(
    weights => weights.set('conv_last.bias', { shape: [3], data: Float32Array.of(0, Number.NaN, 0) }),
    'invalid-weights',
    /NaN or infinite\): conv_last\.bias/,
  )
  await refused(
    weights => {
      weights.clear()
      weights.set('transformer.wte', { shape: [1], data: Float32Array.of(1) })
    },
    'unknown-architecture',
    /no key of it belongs to an architecture that is known \(RRDBNet, .*EDSR.*\): transformer\.wte/,
  )
  assert.ok(!(await readdir(home)).includes('refused'))
  for (const [file, code] of [
    ['weights.h5', 'invalid-weights'],
    ['missing.pth', 'no-input'],
    ['missing.safetensors', 'no-input'],
  ] as const) {
    await assert.rejects(adopt({ file: join(home, file), output: join(home, 'refused') }), { code })
  }
})

test('a compact network whose activations are not in the file is refused: nobody can tell which they are', async () => {
  const weights = await sharedWeights('srvgg ×3')
  for (const key of [...weights.keys()].filter(key => weights.get(key)!.shape.length === 1 && key.endsWith('.weight'))) weights.delete(key)
  const file = await writeWeights(weights)
  await assert.rejects(async () => recognise(await readWeights(file), file), {
    code: 'unknown-architecture',
    message: /SRVGGNetCompact; missing: body\.1\.weight, body\.3\.weight, body\.5\.weight/,
  })
})

test('a network that the community has not is not written', async () => {
  const { run } = await writeRun({ kind: 'fast', channels: 4, blocks: 1 }, 2)
  await assert.rejects(exportSafetensors(run, join(home, 'fast.safetensors')), {
    code: 'unknown-architecture',
    message: /no network like fast; expected a network of rrdb, srvgg, msrresnet/,
  })
})

test('files that PyTorch wrote answer in ONNX Runtime as in PyTorch', { skip: withoutTorch }, async t => {
  const folder = await temporaryFolder()
  const cases = askTorch('make', folder) as Record<string, string>
  for (const [name, ending] of Object.entries(cases)) {
    await t.test(name, async () => {
      const file = join(folder, `${name}.${ending}`)
      const weights = await readWeights(file)
      const found = recognise(weights, file)
      const session = await openSession(serialize(exportGraph(build(tf, found, weights))))
      const dims = [1, 3, 12, 20]
      const got = await session.run({ data: await readFloats(join(folder, `${name}.input`)), dims })
      const expected = await readFloats(join(folder, `${name}.output`))
      await session.close()
      assert.equal(got.data.length, expected.length)
      const size = Math.max(...expected) - Math.min(...expected)
      assert.ok(size > 0.1, 'a network that answers nothing proves nothing')
      const difference = largestDifference(expected, got.data)
      t.diagnostic(`${name}: ${found.architecture} ×${found.scale}, difference ${difference.toExponential(1)} of ${size.toFixed(1)}`)
      assert.ok(difference <= 1e-5 * Math.max(1, size), `${difference}`)
    })
  }
})

test('PyTorch loads our files, and answers as tfjs does', { skip: withoutTorch }, async () => {
  const asked = []
  const answers = []
  for (const [name, kind, options] of [
    ['rrdb ×2', 'RRDBNet', { channels: 4, blocks: 1, growth: 2, unshuffle: 2 }],
    ['srvgg ×2 of leaky ReLUs', 'SRVGGNetCompact', { channels: 4, blocks: 1, scale: 2 }],
    ['msrresnet ×3', 'MSRResNet', { channels: 4, blocks: 1, scale: 3 }],
  ] as const) {
    const { file, answer } = await writeFor(SHARED[name][0], SHARED[name][1])
    asked.push([file, kind, options])
    answers.push(answer)
  }
  for (const [i, answer] of (askTorch('load', JSON.stringify(asked)) as number[][]).entries()) same(answers[i]!, answer)
})

test('spandrel loads our files, and answers as tfjs does', { skip: withoutTorch }, async t => {
  // Its ESRGAN is of growth 32 alone.
  const networks = [
    [{ kind: 'rrdb', channels: 4, blocks: 1, growth: 32 }, 4, 'ESRGAN'],
    [{ kind: 'rrdb', channels: 4, blocks: 1, growth: 32 }, 2, 'ESRGAN'],
    [{ kind: 'srvgg', channels: 4, blocks: 2 }, 3, 'Compact'],
  ] as const
  const written = await Promise.all(networks.map(([options, scale]) => writeFor(options, scale)))
  const found = askTorch('spandrel', JSON.stringify(written.map(({ file }) => file))) as [string, number, number[]][] | null
  if (found === null) return t.skip('UPREZ_TEST_TORCH names a python without spandrel')
  for (const [i, [architecture, scale, answer]] of found.entries()) {
    assert.deepEqual([architecture, scale], [networks[i]![2], networks[i]![1]])
    same(written[i]!.answer, answer)
  }
})

/** A network as a file for others, and what it answers in tfjs to the ramp that test/peers/networks.py draws. */
async function writeFor(options: object, scale: number): Promise<{ file: string; answer: ArrayLike<number> }> {
  const { run, model } = await writeRun(options, scale)
  const { file } = await exportSafetensors(run, `${run}.safetensors`)
  const ramp = tf.transpose(tf.linspace(0, 1, 3 * 8 * 8).reshape([1, 3, 8, 8]), [0, 2, 3, 1])
  return { file, answer: tf.transpose(model.predict(ramp) as TF.Tensor, [0, 3, 1, 2]).dataSync() }
}

function same(ours: ArrayLike<number>, theirs: number[]): void {
  assert.equal(ours.length, theirs.length)
  const difference = largestDifference(ours, theirs)
  assert.ok(difference <= 1e-5, String(difference))
}

let runs = 0

/** A network of random weights, in a folder as training leaves it. */
async function writeRun(options: object, scale: number): Promise<{ run: string; model: TF.LayersModel }> {
  const model = makeGenerator(tf, generatorSchema.parse(options), scale, 1)
  const next = random(runs)
  for (const weight of model.weights) {
    const noise = Float32Array.from({ length: weight.read().size }, () => 0.1 * (next() - 0.5))
    weight.write(tf.add(weight.read(), tf.tensor(noise, weight.shape as number[])))
  }
  const training = { preset: 'tiny', overrides: {}, steps: 1, seed: 1, engine: 'wasm', data: [], featureLoss: null }
  const run = join(home, `run-${runs++}`)
  await saveModel(model, join(run, 'generator'), { 'about.json': JSON.stringify({ scale, ...networkFacts(model), training }) })
  return { run, model }
}

async function sharedWeights(name: keyof typeof SHARED): Promise<Weights> {
  const { run } = await writeRun(SHARED[name][0], SHARED[name][1])
  return readWeights((await exportSafetensors(run, join(home, `shared-${runs}.safetensors`))).file)
}

async function writeWeights(weights: Weights): Promise<string> {
  const file = join(home, `weights-${runs++}.safetensors`)
  await writeFile(file, safetensors(weights, {}))
  return file
}

function numbersOf(model: TF.LayersModel): Record<string, Float32Array> {
  return Object.fromEntries(model.weights.map(weight => [weight.originalName, weight.read().dataSync() as Float32Array]))
}
