import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { Command } from 'commander'
import sharp from 'sharp'
import { addExportCommand } from '../../../export/command.js'
import { exportRun } from '../../../export/export.js'
import { findPictures } from '../../../export/precision/pictures.js'
import { psnrY } from '../../../image/metrics.js'
import { resize } from '../../../image/resize.js'
import { parseCard, precisionsOf, servingFile } from '../../../models/card.js'
import { findModel, readGraph } from '../../../models/catalog.js'
import { useEngine } from '../../../nets/engine.js'
import { networkFacts } from '../../../nets/facts.js'
import { type GeneratorConfig, makeGenerator } from '../../../nets/generator.js'
import { saveModel } from '../../../nets/model-files.js'
import { drawAlpha, drawGrey, drawPhoto } from '../../support/draw.js'

const tf = await useEngine('wasm')
const CHANNELS = 16
const config: GeneratorConfig = { kind: 'fast', channels: CHANNELS, blocks: 2, slope: 0.1, expansion: 0 }
let folder = ''
let run = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-shrink-'))
  run = await writeRun('run', config)
})
after(() => rm(folder, { recursive: true }))

/** @param spread how much larger one channel is than the others, inside, which one scale for all of them cannot hold; the answer is the same */
async function writeRun(name: string, config: GeneratorConfig, spread = 1): Promise<string> {
  const model = makeGenerator(tf, config, 2, 5)
  // A body that does not show would lose nothing.
  scaleKernel(model, 'last', [1, 1, 1, 1], 20)
  if (spread !== 1) {
    const largeFirst = tf.tensor([spread, ...Array<number>(CHANNELS - 1).fill(1)])
    scaleKernel(model, 'block1', [1, 1, 1, CHANNELS], largeFirst)
    scaleKernel(model, 'block2', [1, 1, CHANNELS, 1], tf.div(1, largeFirst))
  }
  return saveRun(name, model, 2)
}

async function saveRun(name: string, model: TF.LayersModel, scale: number): Promise<string> {
  const training = { preset: 'tiny', overrides: {}, steps: 1, seed: 5, engine: 'wasm', data: [], featureLoss: null }
  const about = { scale, ...networkFacts(model), training }
  await saveModel(model, join(folder, name, 'generator'), { 'about.json': JSON.stringify(about) })
  model.dispose()
  return join(folder, name)
}

/** A block adds its input: its kernel is what is stored and 1 in the middle of its own channel. */
function scaleKernel(model: TF.LayersModel, name: string, shape: number[], factors: TF.Tensor | number): void {
  const layer = model.getLayer(name)
  const [kernel, ...rest] = layer.getWeights() as [TF.Tensor, ...TF.Tensor[]]
  const own =
    name === 'last'
      ? tf.zerosLike(kernel)
      : tf
          .eye(CHANNELS)
          .reshape([1, 1, CHANNELS, CHANNELS])
          .pad([
            [1, 1],
            [1, 1],
            [0, 0],
            [0, 0],
          ])
  const scaled = kernel
    .add(own)
    .mul(tf.tensor(typeof factors === 'number' ? [factors] : factors.dataSync(), shape))
    .sub(own)
  layer.setWeights([scaled, ...rest])
}

/** Photographs of several kinds and sizes, larger than what is used of them, and what is none. */
async function writePhotos(name: string, count: number): Promise<string> {
  const dir = join(folder, name)
  await mkdir(dir)
  for (let i = 0; i < count; i++) {
    const image = [drawPhoto, drawGrey, drawAlpha][i % 3]!(150 + i, 140 + i, i)
    const { data, width, height } = image
    const raw = sharp(data, { raw: { width, height, channels: image.channels as 1 | 3 | 4 } })
    await raw.toFile(join(dir, `${i}.${['png', 'webp', 'tiff', 'jpg'][i % 4]}`))
  }
  return dir
}

test('an export with variants has their files, which match a card that says what they lose', async () => {
  const lines: string[] = []
  const { dir, card } = await exportRun({ run, output: join(folder, 'small-x2'), fp16: true, int8: true, say: line => lines.push(line) })
  assert.deepEqual((await readdir(dir)).sort(), [
    'card.json',
    'model.fp16.onnx',
    'model.int8.onnx',
    'model.onnx',
    'model.uint8.onnx',
    'weights',
  ])
  assert.equal(lines.filter(line => /judging the (fp16|int8)/.test(line)).length, 2)
  const model = await findModel(dir)
  assert.deepEqual(model.card, card)
  const { fp16, int8, uint8 } = card.variants
  for (const file of [fp16!, int8!]) {
    assert.equal((await readGraph(model, file)).length, file.bytes)
    assert.deepEqual([file.input, file.output], [uint8!.input, uint8!.output])
  }
  assert.ok(fp16!.bytes < 0.65 * card.model.bytes && int8!.bytes < card.model.bytes)
  assert.ok(fp16!.psnrLoss! >= 0 && fp16!.psnrLoss! < 0.02 && fp16!.maxDifference <= 2)
  assert.ok(int8!.psnrLoss! > fp16!.psnrLoss! && int8!.psnrLoss! <= 0.3 && int8!.maxDifference >= fp16!.maxDifference)
  assert.deepEqual(precisionsOf(card), ['fp32', 'fp16', 'int8'])
  assert.deepEqual(
    (['fp32', 'fp16', 'int8'] as const).map(precision => servingFile(card, precision).file),
    ['model.uint8.onnx', 'model.fp16.onnx', 'model.int8.onnx'],
  )
})

test('a card without variants of lower precision serves float32, and says what it has when asked for another', async () => {
  const { card } = await exportRun({ run, output: join(folder, 'plain-x2') })
  assert.deepEqual(precisionsOf(card), ['fp32'])
  assert.equal(servingFile(card).file, 'model.uint8.onnx')
  assert.throws(() => servingFile(card, 'int8'), { code: 'invalid-option', param: 'precision', expected: 'one of fp32', got: 'int8' })
  assert.equal(servingFile({ ...card, variants: {} }).file, 'model.onnx')
  const wrong = { ...card, variants: { uint8: { ...card.variants.uint8, precision: 'int4' } } }
  assert.throws(() => parseCard(wrong, 'card'), { code: 'invalid-card', param: 'variants.uint8.precision' })
})

test('a variant that loses too much is refused, and what stood there stays', async () => {
  const uneven = await writeRun('uneven', config, 1000)
  const models = join(folder, 'models')
  const output = join(models, 'uneven-x2')
  await assert.rejects(exportRun({ run: uneven, output, int8: true }), {
    code: 'variant-refused',
    param: 'int8',
    expected: 'at most 0.3 dB',
  })
  assert.deepEqual(await readdir(models).catch(() => []), [])
  const { card } = await exportRun({ run: uneven, output, fp16: true })
  await assert.rejects(exportRun({ run: uneven, output, int8: true }), { code: 'variant-refused' })
  assert.deepEqual((await findModel(output)).card, card)
  assert.deepEqual(await readdir(models), ['uneven-x2'])
})

test('a network without a convolution between the first and the last has no int8 variant', async () => {
  const shallow = await writeRun('shallow', { ...config, blocks: 0 })
  await assert.rejects(exportRun({ run: shallow, output: join(folder, 'shallow-x2'), int8: true }), {
    code: 'variant-refused',
    param: 'int8',
  })
})

test('pictures of any kind are cut to their middle; every fourth judges and is not calibrated on', async () => {
  const dir = await writePhotos('photos', 8)
  await writeFile(join(dir, 'notes.txt'), 'no picture')
  await sharp(drawPhoto(20, 200).data, { raw: { width: 20, height: 200, channels: 3 } }).toFile(join(dir, 'narrow.png'))
  const lines: string[] = []
  const sizes = { scale: 2, sizeMultiple: 1, fixedSize: null }
  const drawn = await findPictures(undefined, sizes, () => {})
  const { calibration, judged } = await findPictures(dir, sizes, line => lines.push(line))
  assert.deepEqual(
    lines.map(line => /(notes|narrow)/.exec(line)?.[1]),
    ['narrow', 'notes'],
  )
  assert.deepEqual(calibration.slice(0, drawn.calibration.length), drawn.calibration)
  assert.deepEqual([calibration.length - drawn.calibration.length, judged.length], [6, 2])
  for (const { low, high } of judged) {
    assert.deepEqual([low.width, low.height, high.width, high.height, high.channels], [64, 64, 128, 128, 3])
    assert.equal(high.data.length, 128 * 128 * 3)
    assert.ok(!calibration.some(({ data }) => Buffer.from(data).equals(low.data)))
  }
  const first = drawPhoto(150, 140, 0)
  const middle = Array.from({ length: 128 }, (_, y) => first.data.subarray(((y + 6) * 150 + 11) * 3, ((y + 6) * 150 + 139) * 3))
  const reduced = resize(
    { data: Buffer.concat(middle), width: 128, height: 128, channels: 3 },
    { width: 64, height: 64, kernel: 'bicubic' },
  )
  assert.deepEqual(Buffer.from(calibration[drawn.calibration.length]!.data), Buffer.from(reduced.data))
})

test('a network that keeps the size is given poor pictures, the same ones every time', async () => {
  const sizes = { scale: 1, sizeMultiple: 1, fixedSize: null }
  for (const dir of [undefined, await writePhotos('poor', 4)]) {
    const { calibration, judged } = await findPictures(dir, sizes, () => {})
    assert.ok(judged.every(({ low, high }) => psnrY(high, low, 1) > 22 && psnrY(high, low, 1) < 40))
    assert.deepEqual(await findPictures(dir, sizes, () => {}), { calibration, judged })
  }
})

test('a network that mends pictures, and leaves clean ones as they are, gets its variants', async () => {
  const input = tf.input({ shape: [null, null, 3] })
  const conv = (name: string) => tf.layers.conv2d({ filters: 3, kernelSize: 1, activation: 'relu', name })
  const output = ['first', 'inner', 'last'].reduce((value, name) => conv(name).apply(value) as TF.SymbolicTensor, input)
  const model = tf.model({ inputs: input, outputs: output })
  // Colours mixed, kept and sorted out again, so that bytes between cannot hold them exactly.
  const circulant = (a: number, b: number, c: number) => tf.tensor4d([a, b, c, c, a, b, b, c, a], [1, 1, 3, 3])
  const kernels = [circulant(1, 0.5, 0), circulant(1, 0, 0), circulant(1 / 1.125, -0.5 / 1.125, 0.25 / 1.125)]
  model.setWeights(kernels.flatMap(kernel => [kernel, tf.zeros([3])]))
  const mending = await saveRun('mending', model, 1)
  for (const calibrate of [undefined, await writePhotos('mended', 8)]) {
    const { card } = await exportRun({
      run: mending,
      output: join(folder, 'mending-x1'),
      fp16: true,
      int8: true,
      ...(calibrate && { calibrate }),
    })
    assert.deepEqual(precisionsOf(card), ['fp32', 'fp16', 'int8'])
  }
})

test('sizes that a network takes are kept to', async () => {
  const dir = await writePhotos('more-photos', 4)
  for (const sizes of [
    { scale: 3, sizeMultiple: 8, fixedSize: null },
    { scale: 2, sizeMultiple: 1, fixedSize: { width: 70, height: 20 } },
  ]) {
    const { calibration, judged } = await findPictures(dir, sizes, () => {})
    for (const { width, height } of [...calibration, ...judged.map(({ low }) => low)]) {
      assert.ok(width % sizes.sizeMultiple === 0 && height % sizes.sizeMultiple === 0)
      if (sizes.fixedSize) assert.deepEqual({ width, height }, sizes.fixedSize)
    }
    for (const { low, high } of judged) assert.deepEqual([high.width, high.height], [low.width * sizes.scale, low.height * sizes.scale])
  }
})

test('by command: calibrated on a folder; a folder without pictures, none at all, and nothing to calibrate are told', async t => {
  const printed: string[] = []
  t.mock.method(console, 'log', (line: string) => printed.push(line))
  t.mock.method(console, 'error', () => {})
  const command = (...args: string[]) => {
    const program = new Command().exitOverride()
    addExportCommand(program)
    return program.parseAsync(['export', run, '-o', join(folder, 'by-command'), ...args], { from: 'user' })
  }
  await assert.rejects(command('--calibrate', folder), { code: 'invalid-option', param: 'calibrate' })
  await assert.rejects(command('--int8', '--calibrate', join(folder, 'nowhere')), { code: 'no-input', param: 'calibrate' })
  const few = await writePhotos('few', 3)
  await assert.rejects(command('--int8', '--calibrate', few), { code: 'no-images', got: '3' })
  assert.ok(!(await readdir(folder)).includes('by-command'))
  await command('--int8', '--calibrate', await writePhotos('enough', 4), '--json')
  const card = JSON.parse(printed.join('\n'))
  assert.deepEqual(Object.keys(card.variants), ['uint8', 'int8'])
})
