import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Command } from 'commander'
import onnxProto from 'onnx-proto'
import { addExportCommand } from '../../export/command.js'
import { exportRun } from '../../export/export.js'
import { findModel, readGraph } from '../../models/catalog.js'
import { useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { type GeneratorConfig, makeGenerator } from '../../nets/generator.js'
import { saveModel } from '../../nets/model-files.js'
import { openSession } from '../../probe/session.js'

const tf = await useEngine('wasm')
const config: GeneratorConfig = { kind: 'fast', channels: 16, blocks: 2, slope: 0.1, expansion: 24 }
const about = {
  scale: 2,
  ...networkFacts(makeGenerator(tf, config, 2, 5)),
  training: { preset: 'tiny', overrides: { steps: 1 }, steps: 1, seed: 5, engine: 'wasm', data: [], featureLoss: null },
}
let folder = ''
let run = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-export-'))
  run = await writeRun('run')
})
after(() => rm(folder, { recursive: true }))

async function writeRun(name: string, change: object = {}): Promise<string> {
  const model = makeGenerator(tf, config, 2, 5)
  await saveModel(model, join(folder, name, 'generator'), { 'about.json': JSON.stringify({ ...about, ...change }) })
  model.dispose()
  return join(folder, name)
}

test('a run becomes a model folder that the catalog finds and whose files match their card', async () => {
  const output = join(folder, 'models', 'tiny-x2')
  const lines: string[] = []
  const { dir, card } = await exportRun({ run, output, say: line => lines.push(line) })
  assert.equal(dir, output)
  assert.deepEqual((await readdir(dir)).sort(), ['card.json', 'model.onnx', 'model.uint8.onnx', 'weights'])
  assert.ok(lines.length > 0)

  const found = await findModel('tiny-x2', { modelPath: join(folder, 'models') })
  assert.deepEqual(found.card, card)
  for (const file of [card.model, card.variants.uint8!]) assert.equal((await readGraph(found, file)).length, file.bytes)
  assert.ok(card.parity!.maxDifference > 0 && card.parity!.maxDifference <= 1e-5)
  assert.ok(card.parity!.sizes.some(([h, w]) => h % 2 === 1 && h !== w))
  assert.ok(card.halo !== null && card.halo <= card.receptiveField!)
  assert.ok(card.haloError! <= 1 / 255)
  assert.equal(card.receptiveField, 4)
  assert.ok(card.variants.uint8!.maxDifference <= 1)
  assert.deepEqual(card.training, about.training)
  assert.deepEqual(card.model.input, { name: 'input', channels: 3, order: 'RGB', layout: 'NCHW', type: 'float32', range: [0, 1] })
})

test('the stated number of parameters is the number of learned values in the file', async () => {
  const { card, dir } = await exportRun({ run, output: join(folder, 'counted') })
  const model = onnxProto.onnx.ModelProto.decode(await readFile(join(dir, 'model.onnx')))
  const numbers = model.graph!.initializer!.map(t => t.dims!.reduce<number>((a, b) => a * Number(b), 1))
  assert.equal(card.parameters, about.parameters)
  assert.equal(
    card.parameters,
    numbers.reduce((a, b) => a + b, 0),
  )
})

test('inside the file stands what never changes', async () => {
  const { card, dir } = await exportRun({ run, output: join(folder, 'meta') })
  for (const file of ['model.onnx', 'model.uint8.onnx']) {
    const { metadataProps } = onnxProto.onnx.ModelProto.decode(await readFile(join(dir, file)))
    assert.deepEqual(Object.fromEntries(metadataProps.map(p => [p.key, p.value])), {
      id: 'meta',
      task: 'upscale',
      scale: '2',
      range: '0..1',
      halo: String(card.halo),
    })
  }
})

test('one file takes any batch and any size', async () => {
  const { dir } = await exportRun({ run, output: join(folder, 'sizes') })
  const session = await openSession(await readFile(join(dir, 'model.onnx')))
  for (const dims of [
    [1, 3, 1, 1],
    [3, 3, 5, 8],
    [1, 3, 33, 2],
  ]) {
    const answer = await session.run({ data: new Float32Array(dims.reduce((a, b) => a * b)), dims })
    assert.deepEqual([...answer.dims], [dims[0], 3, dims[2]! * 2, dims[3]! * 2])
  }
  await session.close()
})

test('a model folder exports again from its weights: same file, same words', async () => {
  const words = { title: 'Tiny', purpose: 'Tests.', licence: 'MIT' }
  const first = await exportRun({ run, output: join(folder, 'again', 'tiny'), ...words })
  const second = await exportRun({ run: first.dir, output: first.dir })
  assert.deepEqual(second.card, first.card)
  assert.equal(second.card.title, 'Tiny')
  assert.deepEqual(await readdir(join(folder, 'again')), ['tiny'])
})

test('what stood in a model folder and goes with the next export is told', async () => {
  const lines: string[] = []
  const [output, say] = [join(folder, 'replaced'), (line: string) => lines.push(line)]
  const { dir } = await exportRun({ run, output, say })
  assert.ok(!lines.some(line => line.includes('removed')))
  for (const name of ['model.int8.onnx', 'LICENSE']) await writeFile(join(dir, name), '')
  await exportRun({ run: dir, output, say })
  assert.match(lines.at(-1)!, /replaced is replaced as a whole; removed from it: LICENSE, model\.int8\.onnx$/)
  assert.deepEqual((await readdir(dir)).sort(), ['card.json', 'model.onnx', 'model.uint8.onnx', 'weights'])
})

test('a folder that holds something else is left alone, a name that is no id refused', async () => {
  const foreign = join(folder, 'foreign')
  await mkdir(foreign)
  await writeFile(join(foreign, 'thesis.txt'), 'precious')
  await assert.rejects(exportRun({ run, output: foreign }), { code: 'output-exists', param: 'output' })
  assert.deepEqual(await readdir(foreign), ['thesis.txt'])
  await assert.rejects(exportRun({ run, output: join(foreign, 'thesis.txt') }), { code: 'output-exists' })
  await assert.rejects(exportRun({ run, output: join(folder, 'My Model') }), { code: 'invalid-option', param: 'id', got: 'My Model' })
})

test('a folder without a network is not a run', async () => {
  await mkdir(join(folder, 'empty'))
  for (const name of ['empty', 'nowhere']) {
    await assert.rejects(exportRun({ run: join(folder, name), output: join(folder, 'x') }), { code: 'not-a-run', param: 'RUN' })
  }
  const torn = await writeRun('torn')
  await writeFile(join(torn, 'generator', 'weights.bin'), 'short')
  await assert.rejects(exportRun({ run: torn, output: join(folder, 'x') }), { code: 'not-a-run' })
})

test('a failing export leaves the model that stood there, and nothing beside it', async () => {
  const models = join(folder, 'kept')
  const { dir, card } = await exportRun({ run, output: join(models, 'tiny') })
  const wrong = await writeRun('wrong-scale', { scale: 4 })
  await assert.rejects(exportRun({ run: wrong, output: dir }), { code: 'parity-failed' })
  const short = await writeRun('short-sighted', { receptiveField: 1 })
  await assert.rejects(exportRun({ run: short, output: dir }), { code: 'parity-failed', param: 'receptiveField' })
  const blank = await writeRun('blank', { training: { preset: 'tiny' } })
  await assert.rejects(exportRun({ run: blank, output: dir }), { code: 'invalid-card' })
  assert.deepEqual(await readdir(models), ['tiny'])
  assert.deepEqual((await findModel(dir)).card, card)
})

test('a network without a receptive field is never tiled', async () => {
  const { card } = await exportRun({ run: await writeRun('global', { receptiveField: null }), output: join(folder, 'global-x2') })
  assert.deepEqual([card.receptiveField, card.halo, card.haloError], [null, null, null])
})

test('the command prints where, how large, which sums and how near', async t => {
  const printed: string[] = []
  t.mock.method(console, 'log', (line: string) => printed.push(line))
  t.mock.method(console, 'error', () => {})
  const program = new Command().exitOverride()
  addExportCommand(program)
  const output = join(folder, 'printed')
  await program.parseAsync(['export', run, '-o', output, '--title', 'By command'], { from: 'user' })
  const { card } = await findModel(output)
  const text = printed.join('\n')
  for (const part of [output, card.model.sha256, card.variants.uint8!.sha256, 'tfjs against ONNX Runtime'])
    assert.ok(text.includes(part), part)
  assert.equal(card.title, 'By command')
})
