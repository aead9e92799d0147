import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { Command } from 'commander'
import { addExportCommand } from '../../export/command.js'
import { exportRun } from '../../export/export.js'
import { exportFile } from '../../export/export-file.js'
import { findModel } from '../../models/catalog.js'
import { useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { generatorSchema, makeGenerator } from '../../nets/generator.js'
import { layersOf } from '../../nets/layers.js'
import { saveModel } from '../../nets/model-files.js'
import { openSession } from '../../probe/session.js'
import { temporaryFolder } from '../support/training.js'

const tf = await useEngine('wasm')
const home = await temporaryFolder()

const generator = () => makeGenerator(tf, { kind: 'fast', channels: 4, blocks: 1, slope: 0.1, expansion: 6 }, 3, 5)

async function writeNetwork(name: string, model: TF.LayersModel): Promise<string> {
  await saveModel(model, join(home, name))
  return join(home, name)
}

/** Halves each side twice, so that it takes multiples of 4, and tells what is there and where its middle is. */
function finder(): TF.LayersModel {
  const picture = tf.input({ shape: [null, null, 3], name: 'picture' })
  const conv = (filters: number, strides: number, name: string) =>
    tf.layers.conv2d({ filters, kernelSize: 3, strides, padding: 'same', name })
  const halved = conv(4, 2, 'halved').apply(picture) as TF.SymbolicTensor
  const again = conv(4, 2, 'again').apply(halved) as TF.SymbolicTensor
  const map = tf.layers.upSampling2d({ size: [2, 2], name: 'map' }).apply(again) as TF.SymbolicTensor
  const both = tf.layers.add({ name: 'both' }).apply([map, halved]) as TF.SymbolicTensor
  const heat = conv(1, 1, 'heat').apply(both) as TF.SymbolicTensor
  const bent = tf.layers.activation({ activation: 'tanh', name: 'bent' }).apply(again) as TF.SymbolicTensor
  return tf.model({ inputs: picture, outputs: [heat, bent] })
}

test('any network becomes one file, compared on sizes that it takes', async () => {
  const run = await writeNetwork('finder', finder())
  const output = join(home, 'finder.onnx')
  const { file, bytes, sha256, inputs, outputs, parity } = await exportFile({ run, output })
  const written = await readFile(output)
  assert.deepEqual([file, bytes, sha256], [output, written.length, createHash('sha256').update(written).digest('hex')])
  assert.deepEqual(
    [inputs[0]!.dims, outputs.map(({ name }) => name)],
    [
      ['batch', 3, 'height', 'width'],
      ['heat', 'bent'],
    ],
  )
  assert.ok(parity.maxDifference <= 1e-5)
  assert.ok(parity.sizes.length >= 3 && parity.sizes.flat().every(side => side % 4 === 0))
  const session = await openSession(written)
  const answers = await session.runAll([{ data: new Float32Array(3 * 8 * 12), dims: [1, 3, 8, 12] }])
  assert.deepEqual(
    answers.map(({ dims }) => [...dims]),
    [
      [1, 1, 4, 6],
      [1, 4, 2, 3],
    ],
  )
  await session.close()
})

test('a layers model that stands alone becomes a model: all but its scale is read off its layers', async () => {
  const model = generator()
  const facts = networkFacts(model)
  const { card } = await exportRun({ run: await writeNetwork('alone', model), output: join(home, 'alone-x3') })
  const { scale, receptiveField, sizeMultiple, parameters, flopsPerPixel } = card
  assert.deepEqual({ scale, receptiveField, sizeMultiple, parameters, flopsPerPixel }, { scale: 3, ...facts })
  assert.equal(card.training.preset, 'unknown')
  assert.deepEqual((await findModel(join(home, 'alone-x3'))).card, card)
})

/** Borders of four pixels around a picture, mirrored or cut off, and a convolution of nine by nine. */
function bordered(mirrored: boolean): TF.LayersModel {
  const picture = tf.input({ shape: [null, null, 3], name: 'picture' })
  const around = mirrored ? (layersOf(tf).reflectionPadding({ padding: 4 }).apply(picture) as TF.SymbolicTensor) : picture
  const kernelInitializer = tf.initializers.randomNormal({ stddev: 0.05, seed: 3 })
  const mixed = tf.layers.conv2d({ filters: 3, kernelSize: 9, kernelInitializer, name: 'mixed' }).apply(around) as TF.SymbolicTensor
  return tf.model({ inputs: picture, outputs: mixed })
}

test('a network with mirrored borders, which takes no tiny pictures, becomes a model and a file', async () => {
  const run = await writeNetwork('mirrored', bordered(true))
  const { card } = await exportRun({ run, output: join(home, 'mirrored-x1'), range: '0..1' })
  assert.deepEqual([card.scale, card.receptiveField, card.halo], [1, 4, 4])
  assert.deepEqual(card.parity!.sizes[0], [8, 8])
  const { parity } = await exportFile({ run, output: join(home, 'mirrored.onnx') })
  assert.deepEqual(parity.sizes, card.parity!.sizes)
})

test('a network that cuts off its borders becomes a file, and is told to be no upscaler', async () => {
  const run = await writeNetwork('cut-off', bordered(false))
  const { parity } = await exportFile({ run, output: join(home, 'cut-off.onnx') })
  assert.ok(parity.sizes.length >= 3 && parity.sizes.flat().every(side => side > 8))
  await assert.rejects(exportRun({ run, output: join(home, 'cut-off-x1') }), { code: 'unsupported-layer', message: /ends in \.onnx/ })
})

test('what enlarges no picture becomes no model, but may become a file', async () => {
  const run = await writeNetwork('no-upscaler', finder())
  await assert.rejects(exportRun({ run, output: join(home, 'no-upscaler-x2') }), {
    code: 'unsupported-layer',
    message: /expected a network from one picture to one .* got one from \[\?,\?,\?,3\] to .* ends in \.onnx/,
  })
  assert.ok(!(await readdir(home)).includes('no-upscaler-x2'))
})

async function command(...words: string[]): Promise<string> {
  const printed: string[] = []
  const { log, error } = console
  console.log = (line: string) => printed.push(line)
  console.error = () => {}
  try {
    const program = new Command().exitOverride()
    addExportCommand(program)
    await program.parseAsync(['export', ...words], { from: 'user' })
    return printed.join('\n')
  } finally {
    Object.assign(console, { log, error })
  }
}

test('the command: an output that ends in .onnx is a file, and has no card to write words on', async () => {
  const run = await writeNetwork('spoken', generator())
  const output = join(home, 'spoken.onnx')
  const text = await command(run, '-o', output)
  assert.match(text, /spoken\.onnx {2}\d+ kB {2}sha256 [0-9a-f]{64}\n {2}input \[batch, 3, height, width\] → output/)
  assert.match(text, /tfjs against ONNX Runtime: \d\.\de-\d+ at most, over 1×1, .*; 1 and 3 at a time; noise and drawn pictures/)
  assert.equal(JSON.parse(await command(run, '-o', output, '--json')).file, output)
  await assert.rejects(command(run, '-o', join(home, 'x.onnx'), '--title', 'Mine'), { code: 'invalid-option', param: 'title' })
  await assert.rejects(command(run, '-o', join(home, 'nowhere', 'x.onnx')), { code: 'not-writable' })
})

test('the command: what means nothing to the weights alone is refused', async () => {
  const run = await writeNetwork('weights-alone', makeGenerator(tf, generatorSchema.parse({ kind: 'srvgg', channels: 4, blocks: 1 }), 2, 5))
  const output = join(home, 'alone.safetensors')
  const words = {
    id: 'x',
    title: 'x',
    purpose: 'x',
    licence: 'x',
    calibrate: home,
    range: '0..1',
    layers: 'x.mjs',
    without: 'x',
    engine: 'cpu',
  }
  for (const [param, word] of [...Object.entries(words), ['fp16'], ['int8']] as [string, string?][]) {
    const asked = command(run, '-o', output, '--format', 'safetensors', `--${param}`, ...(word === undefined ? [] : [word]))
    await assert.rejects(asked, { code: 'invalid-option', param, message: /expected --format onnx, got safetensors/ })
  }
  assert.ok(!(await readdir(home)).includes('alone.safetensors'))
  assert.match(await command(run, '-o', output, '--format', 'safetensors'), /SRVGGNetCompact in .*alone\.safetensors, \d+ bytes/)
})

test('the command: --explain names the layer that a wrong op makes differ, writes nothing, and is content with a right one', async () => {
  const run = await writeNetwork('explained', generator())
  const output = join(home, 'explained-x3')
  assert.equal(await command(run, '-o', output, '--explain'), 'no node differs')

  const module = join(home, 'wrong.mjs')
  await writeFile(
    module,
    `export default { PixelShuffle: { toOnnx: call => call.add('DepthToSpace', call.inputs, { blocksize: { int: 3 }, mode: { string: 'CRD' } }) } }`,
  )
  await assert.rejects(command(run, '-o', output, '--layers', module), { code: 'parity-failed', message: /--explain/ })
  const text = await command(run, '-o', output, '--layers', module, '--explain')
  assert.match(text, /^the first to differ is layer \w+ \(PixelShuffle\): .* differs by .*\n.*\n.*before any pass\n {2}DepthToSpace: /)
  assert.equal(process.exitCode, 1)
  process.exitCode = 0
  assert.ok(!(await readdir(home)).some(name => name.startsWith('explained-x3')))
})
