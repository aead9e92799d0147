import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import sharp from 'sharp'
import { exportRun } from '../../export/export.js'
import { psnrY } from '../../image/metrics.js'
import { resize } from '../../image/resize.js'
import { startEngine } from '../../infer/engine.js'
import { useEngine } from '../../nets/engine.js'
import { loadModel } from '../../nets/model-files.js'
import { resolveConfig } from '../../train/config.js'
import { makeRecipe } from '../../train/recipes/index.js'
import { enlarge, validate } from '../../train/validate.js'
import { temporaryFolder, trainLeg, writePhotos } from '../support/training.js'

const home = await temporaryFolder()

test('from a folder of photographs to a model that answers: train, export, upscale', async () => {
  const tf = await useEngine('wasm')
  const photos = await writePhotos(join(home, 'photos'), 8)
  const config = resolveConfig('tiny', { engine: 'wasm', 'data.folders': [photos], 'every.log': 50 })
  const run = join(home, 'run')
  const { done, steps, images } = await trainLeg(tf, { config, folder: run })
  const losses = steps.map(values => values['loss/pixel-l1']!)

  assert.equal(done, 300)
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  assert.ok(mean(losses.slice(-20)) < 0.5 * mean(losses.slice(0, 5)), `the loss fell from ${losses[0]} to ${losses.at(-1)} only`)

  const trained = await loadModel(tf, join(run, 'generator'))
  const untrained = (await makeRecipe(tf, config)).networks.generator!
  const after = await validate(tf, trained, images.validation, 2)
  const before = await validate(tf, untrained, images.validation, 2)
  const bicubic = mean(
    images.validation.map(({ low, high }) => psnrY(resize(low, { width: high.width, height: high.height, kernel: 'bicubic' }), high, 2)),
  )
  const [trainedPsnr, untrainedPsnr] = [after['PSNR-Y']!, before['PSNR-Y']!]
  assert.ok(trainedPsnr > untrainedPsnr + 1, `${untrainedPsnr} dB untrained, ${trainedPsnr} trained`)
  assert.ok(trainedPsnr > bicubic, `${trainedPsnr} dB after training, ${bicubic} by bicubic`)
  const logged = (await readFile(join(run, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, number>)
  assert.ok(Math.abs(logged.at(-1)!['validation/PSNR-Y']! - trainedPsnr) < 1e-3)

  const about = JSON.parse(await readFile(join(run, 'generator/about.json'), 'utf8'))
  assert.deepEqual([about.scale, about.training.steps, about.training.engine, about.training.data[0].images], [2, 300, 'wasm', 6])
  assert.deepEqual(about.training.overrides, { 'every.log': 50 })
  const [sheet] = (await readdir(join(run, 'samples'))).reverse()
  const { width, height } = await sharp(join(run, 'samples', sheet!)).metadata()
  assert.equal(width! / 4, height! / images.validation.length)

  const { dir, card } = await exportRun({ run, output: join(home, 'tiny-x2') })
  assert.ok(card.parity!.maxDifference <= 1e-5, `parity ${card.parity!.maxDifference}`)
  assert.equal(card.parameters, about.parameters)
  assert.deepEqual(card.training, about.training)

  const engine = await startEngine({ threads: 1 })
  try {
    const { low } = images.validation[0]!
    const bytes = await sharp(low.data, { raw: { width: low.width, height: low.height, channels: 3 } })
      .png()
      .toBuffer()
    const answer = await engine.upscale({ input: { bytes }, model: dir, format: 'png', tile: 0 })
    const { data } = await sharp(answer.bytes!).raw().toBuffer({ resolveWithObject: true })
    const expected = (await enlarge(tf, trained, low, 2)).data
    assert.equal(data.length, expected.length)
    assert.ok(data.every((value, i) => Math.abs(value - expected[i]!) <= 1))
  } finally {
    await engine.close()
  }
})
