import assert from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { exportRun } from '../../export/export.js'
import { exportFile } from '../../export/export-file.js'
import { criticLayersOf } from '../../nets/critics/layers.js'
import { useEngine } from '../../nets/engine.js'
import { makeGenerator } from '../../nets/generator.js'
import { saveModel } from '../../nets/model-files.js'
import { temporaryFolder } from '../support/training.js'

/** Every wrong network is a clear error, and neither a model folder nor a file comes of it. */

const tf = await useEngine('wasm')
const home = await temporaryFolder()

const small = () => makeGenerator(tf, { kind: 'fast', channels: 4, blocks: 1, slope: 0.1, expansion: 6 }, 2, 5)

/** A layers model in a folder, as tfjs' converter writes it: in two shards. */
async function writeNetwork(name: string, model: TF.LayersModel = small()): Promise<string> {
  const dir = join(home, name)
  await saveModel(model, dir)
  const bytes = await readFile(join(dir, 'weights.bin'))
  const half = bytes.length >> 1
  await writeFile(join(dir, 'group1-shard1of2.bin'), bytes.subarray(0, half))
  await writeFile(join(dir, 'group1-shard2of2.bin'), bytes.subarray(half))
  await rm(join(dir, 'weights.bin'))
  await edit(dir, text => text.replace('"weights.bin"', '"group1-shard1of2.bin","group1-shard2of2.bin"'))
  return dir
}

async function edit(dir: string, change: (text: string) => string): Promise<void> {
  const path = join(dir, 'model.json')
  const text = await readFile(path, 'utf8')
  const changed = change(text)
  assert.notEqual(changed, text)
  await writeFile(path, changed)
}

async function refused(run: string, expected: { code: string; param?: string; message: RegExp }): Promise<void> {
  const before = await readdir(home)
  await assert.rejects(exportRun({ run, output: join(home, 'out-x2') }), expected)
  await assert.rejects(exportFile({ run, output: join(home, 'out.onnx') }), expected)
  assert.deepEqual(await readdir(home), before)
}

test('what is wrong in the tests below is all that is wrong', async () => {
  const { dir } = await exportRun({ run: await writeNetwork('right'), output: join(home, 'right-x2') })
  assert.ok((await readdir(dir)).includes('model.onnx'))
})

test('a missing shard is named', async () => {
  const dir = await writeNetwork('missing')
  await rm(join(dir, 'group1-shard2of2.bin'))
  await refused(dir, { code: 'not-a-run', param: 'group1-shard2of2.bin', message: /missing\/group1-shard2of2\.bin: .* got no such file/ })
})

test('truncated weights: the bytes that came and those that were expected, file by file', async () => {
  const dir = await writeNetwork('truncated')
  const file = join(dir, 'group1-shard2of2.bin')
  const [one, two] = [await readFile(join(dir, 'group1-shard1of2.bin')), await readFile(file)]
  await writeFile(file, two.subarray(0, -6))
  const [whole, first, second] = [one.length + two.length, one.length, two.length - 6]
  const message = new RegExp(
    `expected ${whole} bytes of weights, got ${whole - 6}: .*shard1of2\\.bin \\(${first}\\), .*shard2of2\\.bin \\(${second}\\)`,
  )
  await refused(dir, { code: 'not-a-run', message })
})

test('weights that are no numbers: the layer, the weight and which of its numbers', async () => {
  const model = small()
  const layer = model.layers.find(({ weights }) => weights.length > 0)!
  const weight = layer.weights[0]!
  const values = Float32Array.from(weight.read().dataSync())
  values[7] = Number.NaN
  weight.write(tf.tensor(values, weight.shape as number[]))
  const message = new RegExp(
    `layer ${layer.name} \\(.*\\): weight ${weight.originalName}: expected finite numbers, got NaN at 7 of ${values.length}`,
  )
  await refused(await writeNetwork('nan', model), { code: 'invalid-weights', param: weight.originalName, message })
})

test('a layer that is of use in training only', async () => {
  const input = tf.input({ shape: [null, null, 3] })
  const leaky = criticLayersOf(tf).leaky({ name: 'judged', slope: 0.2 }).apply(input) as TF.SymbolicTensor
  const dir = await writeNetwork('critic', tf.model({ inputs: input, outputs: small().apply(leaky) as TF.SymbolicTensor }))
  await refused(dir, {
    code: 'unsupported-layer',
    param: 'judged',
    message: /^layer judged: no export for the layer class CriticLeakyReLU; known: /,
  })
})

test('a layer that nobody knows: its name, its class and what is known', async () => {
  const dir = await writeNetwork('unknown')
  await edit(dir, text => text.replace('"class_name":"PixelShuffle"', '"class_name":"Wobble"'))
  await refused(dir, { code: 'unsupported-layer', message: /^layer \w+: .*Wobble.*known: .*PixelShuffle/ })
})

test('two layers of one name', async () => {
  const dir = await writeNetwork('twins')
  const { modelTopology } = JSON.parse(await readFile(join(dir, 'model.json'), 'utf8'))
  const [, one, two] = modelTopology.config.layers.map(({ name }: { name: string }) => name) as string[]
  await edit(dir, text => text.replaceAll(`"name":"${two}"`, `"name":"${one}"`))
  await refused(dir, {
    code: 'not-a-run',
    param: one!,
    message: new RegExp(`expected layers of different names, got 2 layers called ${one}`),
  })
})

test('what is no layers model at all', async () => {
  const dir = await writeNetwork('graph')
  await writeFile(join(dir, 'model.json'), JSON.stringify({ format: 'graph-model', modelTopology: { node: [] }, weightsManifest: [] }))
  await refused(dir, { code: 'not-a-run', message: /expected a layers model.*got a graph model/ })
  await writeFile(join(dir, 'model.json'), '{"name": "a package"}')
  await refused(dir, { code: 'not-a-run', message: /expected a layers model.*got another file/ })
  await writeFile(join(dir, 'model.json'), '{')
  await refused(dir, { code: 'not-a-run', message: /cannot be read: .*JSON/ })
})
