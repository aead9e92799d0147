import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { resolveConfig } from '../../train/config.js'
import { openImages } from '../../train/images.js'
import { openRun, saveConfig } from '../../train/run-folder.js'
import { drawPhoto } from '../support/draw.js'
import { recordingReport, temporaryFolder, writePhotos, writePng } from '../support/training.js'

const home = await temporaryFolder()
const options = { engine: 'wasm', 'schedule.steps': 20 }
const silent = () => {}

async function begunRun(name: string): Promise<string> {
  const folder = join(home, name)
  const { config } = await openRun(folder, 'tiny', options, false, silent)
  await saveConfig(folder, config)
  await mkdir(join(folder, 'checkpoint'))
  await writeFile(join(folder, 'checkpoint/step-00000001.safetensors'), '')
  return folder
}

test('a run needs a folder of its own: neither a begun run nor foreign files are written over', async () => {
  const run = await begunRun('begun')
  await assert.rejects(openRun(run, 'tiny', options, false, silent), { code: 'output-exists', message: /--resume/ })
  const foreign = join(home, 'foreign')
  await mkdir(join(foreign, 'generator'), { recursive: true })
  await assert.rejects(openRun(foreign, 'tiny', options, false, silent), { code: 'output-exists', message: /not empty \(generator\)/ })
  await writeFile(join(home, 'file'), '')
  for (const place of ['file', 'file/run'])
    await assert.rejects(openRun(join(home, place), 'tiny', options, false, silent), { code: 'not-writable' })
})

test('resuming keeps what the run was begun with, and says what changes', async () => {
  const folder = await begunRun('kept')
  const said: string[] = []
  const { config, resume } = await openRun(folder, 'tiny', { 'every.log': 5, 'optimizer.learningRate': 1e-4 }, true, line =>
    said.push(line),
  )
  assert.equal(resume, true)
  assert.deepEqual([config.schedule.steps, config.engine, config.every.log], [20, 'wasm', 5])
  assert.deepEqual(said, ['optimizer.learningRate changes from 0.01 to 0.0001', 'every.log changes from 10 to 5'])
})

test('a run is not resumed with another preset, network or kind of sample', async () => {
  const folder = await begunRun('other')
  const cases = [
    ['fast-x4', {}, 'preset'],
    ['tiny', { 'network.blocks': 3 }, 'network.blocks'],
    ['tiny', { seed: 5 }, 'seed'],
    ['tiny', { 'data.patch': 24 }, 'data.patch'],
  ] as const
  for (const [preset, overrides, param] of cases) {
    await assert.rejects(openRun(folder, preset, overrides, true, silent), { code: 'run-mismatch', param, message: /was begun with/ })
  }
})

test('resuming where no run was begun is not-a-run; a run killed before its first checkpoint begins anew', async () => {
  for (const name of ['nowhere', 'foreign'])
    await assert.rejects(openRun(join(home, name), 'tiny', {}, true, silent), { code: 'not-a-run' })
  const damaged = join(home, 'damaged')
  await mkdir(damaged)
  await writeFile(join(damaged, 'config.json'), '{"preset":"tiny","shape":3}')
  await assert.rejects(openRun(damaged, 'tiny', {}, true, silent), { code: 'not-a-run', message: /unknown option shape/ })

  const early = join(home, 'early')
  const { config } = await openRun(early, 'tiny', options, false, silent)
  await saveConfig(early, config)
  await mkdir(join(early, 'checkpoint'))
  await writeFile(join(early, 'checkpoint/.step-00000001.safetensors.7.tmp'), 'half')
  await mkdir(join(early, '.generator.new-12345678'))
  const said: string[] = []
  assert.equal((await openRun(early, 'tiny', {}, true, line => said.push(line))).resume, false)
  assert.match(said.join(), /no checkpoint yet: beginning at step 1/)
  assert.deepEqual((await readdir(early)).sort(), ['checkpoint', 'config.json'])
})

test('a data folder that is missing, no folder, empty, or holds only small images is refused with the reason', async () => {
  const open = (folder: string) => openImages(resolveConfig('tiny', { 'data.folders': [folder] }), recordingReport())
  await assert.rejects(open(join(home, 'missing')), { code: 'no-input', param: '--data' })
  await writeFile(join(home, 'no-folder'), '')
  await assert.rejects(open(join(home, 'no-folder')), { code: 'no-input' })
  const empty = join(home, 'empty')
  await mkdir(empty)
  await writeFile(join(empty, 'notes.txt'), 'no image')
  await writeFile(join(empty, '.hidden.png'), 'hidden')
  await assert.rejects(open(empty), { code: 'no-images', got: 'no image file' })
  const small = await writePhotos(join(home, 'small'), 3, 20)
  await assert.rejects(open(small), { code: 'no-images', message: /32×32/, got: /3 files left out, the first because 20×20 is smaller/ })
})

test('broken and small files are named and left out, training and validation go on with the rest', async () => {
  const folder = await writePhotos(join(home, 'mixed'), 4)
  const whole = await readFile(join(folder, 'photo-0.png'))
  await writeFile(join(folder, 'a-text.png'), 'no picture')
  // Its header is whole, so that it is found broken only when it is decoded; being the first of three, it is one for validation.
  await writeFile(join(folder, 'b-cut.png'), whole.subarray(0, whole.length / 2))
  await writePng(join(folder, 'c-small.png'), drawPhoto(20, 40))
  const report = recordingReport()
  const { training, validation } = await openImages(resolveConfig('tiny', { 'data.folders': [folder], 'data.validation': 2 }), report)
  const names = training.map(({ path }) => path.slice(folder.length + 1))
  assert.match(report.lines.join('\n'), /left out .*a-text\.png: it cannot be read/)
  assert.match(report.lines.join('\n'), /left out .*c-small\.png: 20×40 is smaller than a patch of 32 pixels/)
  assert.equal(names.length + validation.length + Number(!names.includes('b-cut.png')), 5)
})

test('a validation image that cannot be decoded is named and left out', async () => {
  const folder = await writePhotos(join(home, 'cut'), 3)
  const path = join(folder, 'photo-1.png')
  const whole = await readFile(path)
  await writeFile(path, whole.subarray(0, whole.length / 2))
  const report = recordingReport()
  const { training, validation } = await openImages(resolveConfig('tiny', { 'data.folders': [folder], 'data.validation': 1 }), report)
  assert.deepEqual([training.length, validation.length], [2, 0])
  assert.match(report.lines.join('\n'), /left out .*photo-1\.png: it cannot be decoded/)
  assert.match(report.lines.join('\n'), /2 images to train on, 0 kept for validation/)
})

test('a very large validation image is cut to its middle', async () => {
  const folder = await writePhotos(join(home, 'large'), 2)
  await writePng(join(folder, 'photo-large.png'), { data: new Uint8Array(1500 * 60 * 3), width: 1500, height: 60, channels: 3 })
  await writePng(join(folder, 'photo-z.png'), drawPhoto(64, 64))
  const { validation } = await openImages(resolveConfig('tiny', { 'data.folders': [folder], 'data.validation': 2 }), recordingReport())
  assert.deepEqual(
    validation.map(({ low, high }) => [high.width, high.height, low.width]),
    [
      [76, 74, 38],
      [64, 64, 32],
    ],
  )
})
