import assert from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { resolveConfig } from '../../train/config.js'
import { openImages } from '../../train/images.js'
import { drawPhoto } from '../support/draw.js'
import { recordingReport, temporaryFolder, writePhotos, writePng } from '../support/training.js'

const home = await temporaryFolder()

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
  const small = await writePhotos(join(home, 'small'), 3, 8)
  await assert.rejects(open(small), { code: 'no-images', message: /16×16/, got: /3 files left out, the first because 8×8 is smaller/ })
})

test('broken and small files are named and left out, training and validation go on with the rest', async () => {
  const folder = await writePhotos(join(home, 'mixed'), 4)
  const whole = await readFile(join(folder, 'photo-0.png'))
  await writeFile(join(folder, 'a-text.png'), 'no picture')
  // Its header is whole, so that it is found broken only when it is decoded; being the first of three, it is one for validation.
  await writeFile(join(folder, 'b-cut.png'), whole.subarray(0, whole.length / 2))
  await writePng(join(folder, 'c-small.png'), drawPhoto(14, 40))
  const report = recordingReport()
  const { training, validation } = await openImages(resolveConfig('tiny', { 'data.folders': [folder], 'data.validation': 2 }), report)
  const names = training.map(({ path }) => path.slice(folder.length + 1))
  assert.match(report.lines.join('\n'), /left out .*a-text\.png: it cannot be read/)
  assert.match(report.lines.join('\n'), /left out .*c-small\.png: 14×40 is smaller than half a patch of 32 pixels/)
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
