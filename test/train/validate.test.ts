import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import sharp from 'sharp'
import type { Image } from '../../image/image.js'
import { niqe } from '../../image/niqe.js'
import { resize } from '../../image/resize.js'
import { type Tf, useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { makeGenerator } from '../../nets/generator.js'
import { layersOf } from '../../nets/layers.js'
import { enlarge, sampleSheet, validate } from '../../train/validate.js'
import { drawPhoto } from '../support/draw.js'

let tf: Tf
before(async () => {
  tf = await useEngine('wasm')
})

function nearestNeighbour(scale: number) {
  const { repeatChannels, pixelShuffle } = layersOf(tf)
  return tf.sequential({
    layers: [
      tf.layers.inputLayer({ inputShape: [null, null, 3] as never }),
      repeatChannels({ times: scale ** 2 }),
      pixelShuffle({ scale }),
    ],
  })
}

function pairOf(seed: number, width: number, height: number, scale: number): { low: Image; high: Image } {
  const high = drawPhoto(width, height, seed)
  return { low: resize(high, { width: width / scale, height: height / scale, kernel: 'bicubic' }), high }
}

test('a picture whose sides the network does not take is enlarged as if its edges went on', async () => {
  const generator = makeGenerator(tf, { kind: 'encoder-decoder', channels: 4, depth: 2 }, 2, 1)
  const { sizeMultiple } = networkFacts(generator)
  assert.ok(sizeMultiple > 1)
  const small = drawPhoto(sizeMultiple + 1, 2 * sizeMultiple, 5)
  const output = await enlarge(tf, generator, small, 2)
  assert.deepEqual([output.width, output.height], [2 * small.width, 2 * small.height])
  const [width, height] = [2 * sizeMultiple, 2 * sizeMultiple]
  const whole = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * small.width + Math.min(x, small.width - 1)) * 3
      whole.set(small.data.subarray(from, from + 3), (y * width + x) * 3)
    }
  }
  const expected = await enlarge(tf, generator, { data: whole, width, height, channels: 3 }, 2)
  for (let y = 0; y < output.height; y++) {
    const row = (image: Image) => image.data.subarray(y * image.width * 3, (y * image.width + output.width) * 3)
    assert.deepEqual(row(output), row(expected))
  }
})

test('the scores are means over the pictures; what comes out exactly counts 100 dB, not infinity', async () => {
  const same = nearestNeighbour(1)
  const photo = drawPhoto(40, 36, 1)
  assert.deepEqual(await validate(tf, same, [{ low: photo, high: photo }], 1), { 'PSNR-Y': 100, 'SSIM-Y': 1 })
  const twice = nearestNeighbour(2)
  const pairs = [pairOf(1, 40, 36, 2), pairOf(2, 48, 40, 2)]
  const [first, second] = [await validate(tf, twice, [pairs[0]!], 2), await validate(tf, twice, [pairs[1]!], 2)]
  const told: number[] = []
  const both = await validate(tf, twice, pairs, 2, done => told.push(done))
  for (const name of ['PSNR-Y', 'SSIM-Y']) assert.ok(Math.abs(both[name]! - (first[name]! + second[name]!) / 2) < 1e-9)
  assert.deepEqual(told, [0, 1])
})

test('naturalness is judged of what comes out, where a picture is large enough for it', async () => {
  const photo = drawPhoto(200, 220, 3)
  const small = drawPhoto(60, 60, 4)
  const pairs = [photo, small].map(image => ({ low: image, high: image }))
  assert.equal((await validate(tf, nearestNeighbour(1), pairs, 1)).NIQE, niqe(photo, 1))
})

test('a sheet shows the low side, bicubic, ours and the original, a row a picture, and leaves no tensor behind', async () => {
  const pairs = [pairOf(1, 40, 36, 2), pairOf(2, 48, 40, 2)]
  const network = nearestNeighbour(2)
  const tensors = tf.memory().numTensors
  const { png, width, height } = await sampleSheet(tf, network, pairs, 2)
  assert.equal(tf.memory().numTensors, tensors)
  assert.deepEqual([width, height], [4 * 36, 2 * 36])
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true })
  assert.deepEqual([info.width, info.height, info.channels], [width, height, 3])
  const cell = (row: number, column: number) =>
    Array.from({ length: 36 }, (_, y) => Array.from(data.subarray(((row * 36 + y) * width + column * 36) * 3).subarray(0, 36 * 3))).flat()
  for (const [row, { high }] of pairs.entries()) {
    // This network is nearest neighbour itself.
    assert.deepEqual(cell(row, 2), cell(row, 0))
    const [left, top] = [(high.width - 36) / 2, (high.height - 36) / 2]
    const original = Array.from({ length: 36 }, (_, y) =>
      Array.from(high.data.subarray(((top + y) * high.width + left) * 3).subarray(0, 36 * 3)),
    )
    assert.deepEqual(cell(row, 3), original.flat())
    assert.notDeepEqual(cell(row, 1), cell(row, 0))
  }
})
