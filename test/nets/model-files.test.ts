import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { replaceFolder } from '../../atomic.js'
import { useEngine } from '../../nets/engine.js'
import { makeGenerator } from '../../nets/generator.js'
import { loadModel, saveModel } from '../../nets/model-files.js'

const tf = await useEngine('cpu')
const make = (seed: number) => makeGenerator(tf, { kind: 'fast', channels: 8, blocks: 1, slope: 0.1, expansion: 4 }, 2, seed)
let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-files-'))
})
after(() => rm(folder, { recursive: true }))

test('a network comes back with its own layers and answers the same, bit for bit', async () => {
  const model = make(1)
  const dir = join(folder, 'a')
  await saveModel(model, dir, { 'about.json': '{}' })
  assert.deepEqual((await readdir(dir)).sort(), ['about.json', 'model.json', 'weights.bin'])
  const back = await loadModel(tf, dir)
  const x = tf.randomUniform([1, 6, 5, 3], 0, 1, 'float32', 3)
  const answers = [model, back].map(m => (m.predict(x) as ReturnType<typeof tf.tensor>).dataSync())
  assert.deepEqual(answers[0], answers[1])
})

test('saving replaces what stood there and leaves nothing beside it', async () => {
  const parent = join(folder, 'b')
  await saveModel(make(1), join(parent, 'net'), { 'old.txt': 'old' })
  const before = await readFile(join(parent, 'net', 'weights.bin'))
  await saveModel(make(2), join(parent, 'net'))
  assert.notDeepEqual(await readFile(join(parent, 'net', 'weights.bin')), before)
  assert.deepEqual(await readdir(parent), ['net'])
  assert.deepEqual((await readdir(join(parent, 'net'))).sort(), ['model.json', 'weights.bin'])
})

test('a folder filled in vain stays as it was', async () => {
  const dir = join(folder, 'c')
  await replaceFolder(dir, temporary => writeFile(join(temporary, 'kept'), '1'))
  await assert.rejects(
    replaceFolder(dir, async temporary => {
      await writeFile(join(temporary, 'half'), '2')
      throw new Error('power cut')
    }),
    /power cut/,
  )
  assert.deepEqual(await readdir(dir), ['kept'])
  assert.ok((await readdir(folder)).every(name => !name.startsWith('.')))
})

test('a missing and a damaged network are told apart', async () => {
  await assert.rejects(loadModel(tf, join(folder, 'nowhere')), { code: 'no-input' })
  const dir = join(folder, 'd')
  await saveModel(make(1), dir)
  await writeFile(join(dir, 'weights.bin'), 'short')
  await assert.rejects(loadModel(tf, dir), { code: 'not-a-run', param: 'weights.bin', got: '5 bytes' })
})

test('a place that cannot be written is an error of ours', async () => {
  await writeFile(join(folder, 'file'), '')
  await assert.rejects(saveModel(make(1), join(folder, 'file', 'net')), { code: 'not-writable' })
})
