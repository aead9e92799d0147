import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import sharp from 'sharp'
import { batchOrder, openBatches } from '../../train/batches.js'
import { allOptions, parseOverride, resolveConfig } from '../../train/config.js'
import { openImages } from '../../train/images.js'
import { writePreview } from '../../train/preview.js'
import { recordingReport, temporaryFolder, writePhotos } from '../support/training.js'

const home = await temporaryFolder()
const photos = await writePhotos(join(home, 'photos'), 5)
const config = resolveConfig('tiny', { 'data.folders': [photos], 'degradation.kind': 'real-esrgan', 'data.workers': 2 })
const NAMES = allOptions().map(({ name }) => name)

test('the preview shows the first samples of the run, and says beside it what was done to them', async () => {
  const path = join(home, 'sheet.png')
  await writePreview(config, path)
  const facts = JSON.parse(await readFile(join(home, 'sheet.json'), 'utf8'))
  assert.equal(facts.length, 12)
  assert.deepEqual(facts.map(({ step, index }: { step: number; index: number }) => [step, index]).slice(6, 10), [
    [1, 6],
    [1, 7],
    [2, 0],
    [2, 1],
  ])
  for (const { file, degradation } of facts) {
    assert.match(file, /photo-\d\.png$/)
    assert.ok(degradation.length >= 6)
  }

  const images = await openImages(config, recordingReport())
  const stream = openBatches(batchOrder(config, images.training), 1, () => {})
  const { low, high } = await stream.next(1)
  await stream.close()
  const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  const pixel = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)]
  const bytes = (floats: Float32Array, at: number) => [...floats.subarray(at * 3, at * 3 + 3)].map(value => Math.round(value * 255))
  const [patch, side] = [16, 32]
  for (const index of [0, 3]) {
    const top = index * (side + 4)
    // Nearest: both pixels of a doubled column are the low one.
    for (const x of [0, 1]) assert.deepEqual(pixel(10 + x, top + 6), bytes(low, (index * patch + 3) * patch + 5))
    assert.deepEqual(pixel(2 * (side + 4) + 7, top + 9), bytes(high, (index * side + 9) * side + 7))
  }
})

test('a preview of another format, or of no images, is refused', async () => {
  await assert.rejects(writePreview(config, join(home, 'sheet.jpg')), { code: 'invalid-option', param: '--preview' })
  const empty = resolveConfig('tiny', { 'data.folders': [join(home, 'nowhere')] })
  await assert.rejects(writePreview(empty, join(home, 'sheet.png')), { code: 'no-input' })
})

test('every command of the page on data is made of options that exist', async () => {
  const page = await readFile(new URL('../../../docs/data.md', import.meta.url), 'utf8')
  const commands = [...page.matchAll(/^ {4}npm run uprez -- train (.+)$/gm)].map(([, line]) => line!)
  assert.ok(commands.length >= 3)
  for (const line of commands) {
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare!)
    const after = (flag: string) => words.filter((_, i) => words[i - 1] === flag)
    resolveConfig(after('--preset')[0]!, Object.fromEntries(after('--set').map(parseOverride)))
  }
  for (const [, option] of page.matchAll(/`((?:data|degradation)\.[a-zA-Z.]+)(?:=[^`]*)?`/g))
    assert.ok(
      NAMES.some(name => name.startsWith(option!)),
      option,
    )
})
