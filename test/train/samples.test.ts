import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import sharp from 'sharp'
import { resize } from '../../image/resize.js'
import { type BatchOrder, openBatches } from '../../train/batches.js'
import { loadPair } from '../../train/pairs.js'
import { cutPatch, randomPlace } from '../../train/patch.js'
import { integer, randomAt } from '../../train/random.js'
import { findSources, type Source } from '../../train/sources.js'
import { drawGrey, drawNoise } from '../support/draw.js'
import { temporaryFolder, writePhotos, writePng } from '../support/training.js'

const folder = await temporaryFolder()
const photos = await writePhotos(join(folder, 'photos'), 5)
const order: Omit<BatchOrder, 'sources'> = {
  scale: 2,
  patch: 8,
  batch: 4,
  seed: 3,
  jitter: [1, 1],
  degradation: { kind: 'bicubic' },
  reuse: 2,
  cacheMb: 100,
  workers: 1,
}
const find = (folders: string[], validation: number) => findSources({ folders, pairs: [], patch: 8, validation }, 2, false)
const loud = (path: string) => assert.fail(`left out ${path}`)

test('random numbers are a function of seed, step and index, and of each of them', () => {
  const draw = (seed: number, step: number, index: number) => Array.from({ length: 4 }, randomAt(seed, step, index))
  fc.assert(
    fc.property(fc.nat(), fc.nat(1e6), fc.nat(256), (seed, step, index) => {
      const values = draw(seed, step, index)
      assert.deepEqual(draw(seed, step, index), values)
      for (const other of [draw(seed + 1, step, index), draw(seed, step + 1, index), draw(seed, step, index + 1)])
        assert.notDeepEqual(other, values)
      assert.ok(values.every(value => value >= 0 && value < 1))
    }),
    { seed: 1 },
  )
})

test('images, places and symmetries are all drawn about equally often, every place inside the picture', () => {
  const [images, symmetries, columns] = [new Array(7).fill(0), new Array(8).fill(0), new Array(5).fill(0)]
  const draws = 8000
  for (let i = 0; i < draws; i++) {
    const random = randomAt(0, Math.floor(i / 16) + 1, i % 16)
    images[integer(random, 7)]++
    const { x, y, symmetry } = randomPlace(random, { width: 12, height: 9 }, 8)
    assert.ok(y >= 0 && y <= 1)
    columns[x]++
    symmetries[symmetry]++
  }
  for (const counts of [images, symmetries, columns]) {
    for (const count of counts) assert.ok(Math.abs(count - draws / counts.length) < 0.15 * (draws / counts.length), `${counts}`)
  }
  assert.equal(columns.length, 5)
})

test('the eight symmetries of a patch are the eight of the square', () => {
  // The square 0 1 / 2 3 mirrored left–right (bit 0), top–bottom (bit 1), rows and columns swapped (bit 2).
  const image = { data: Uint8Array.from([0, 1, 2, 3].flatMap(v => [v, v + 10, v + 20])), width: 2, height: 2, channels: 3 }
  const seen = Array.from({ length: 8 }, (_, symmetry) => {
    const out = new Float32Array(12)
    cutPatch(image, 0, 0, 2, symmetry, out, 0)
    return Array.from({ length: 4 }, (_, p) => Math.round(out[p * 3]! * 255)).join('')
  })
  assert.deepEqual(seen, ['0123', '1032', '2301', '3210', '0213', '1302', '2031', '3120'])
})

test('low and high patch stay aligned under every symmetry', () => {
  // Each high pixel tells the low pixel it lies in; a patch of both must tell the same.
  const [width, height, scale, side] = [9, 7, 3, 4]
  const low = { data: new Uint8Array(width * height * 3), width, height, channels: 3 }
  for (let p = 0; p < width * height; p++) low.data.fill(p, p * 3, p * 3 + 3)
  const high = resize(low, { width: width * scale, height: height * scale, kernel: 'box' })
  fc.assert(
    fc.property(fc.nat(width - side), fc.nat(height - side), fc.nat(7), (x, y, symmetry) => {
      const a = new Float32Array(side * side * 3)
      const b = new Float32Array((side * scale) ** 2 * 3)
      cutPatch(low, x, y, side, symmetry, a, 0)
      cutPatch(high, x * scale, y * scale, side * scale, symmetry, b, 0)
      for (let row = 0; row < side * scale; row++) {
        for (let column = 0; column < side * scale; column++) {
          const inside = (Math.floor(row / scale) * side + Math.floor(column / scale)) * 3
          assert.equal(b[(row * side * scale + column) * 3], a[inside])
        }
      }
    }),
    { seed: 1 },
  )
})

test('the low side is the bicubic reduction of the whole picture, cut to a multiple of the scale', async () => {
  const path = join(folder, 'odd.png')
  const picture = drawNoise(33, 26)
  await writePng(path, picture)
  const { low, high } = await loadPair({ path }, 4)
  assert.deepEqual([high.width, high.height, low.width, low.height], [32, 24, 8, 6])
  for (let y = 0; y < 24; y++) assert.deepEqual(high.data.subarray(y * 96, (y + 1) * 96), picture.data.subarray(y * 99, y * 99 + 96))
  assert.deepEqual(low.data, resize(high, { width: 8, height: 6, kernel: 'bicubic' }).data)
})

test('grey, 16-bit and transparent pictures become 8-bit RGB of the same values', async () => {
  const grey = drawGrey(20, 16)
  const raw = { width: 20, height: 16, channels: 1 as const }
  const files = {
    'grey.png': sharp(grey.data, { raw }),
    'deep.png': sharp(grey.data, { raw }).toColourspace('rgb16'),
    'clear.png': sharp(grey.data, { raw }).toColourspace('srgb').ensureAlpha(0.5),
  }
  for (const [name, image] of Object.entries(files)) {
    await image.png().toFile(join(folder, name))
    const { high } = await loadPair({ path: join(folder, name) }, 2)
    assert.equal(high.channels, 3)
    const expected = Uint8Array.from({ length: 20 * 16 * 3 }, (_, i) => grey.data[Math.floor(i / 3)]!)
    assert.deepEqual(Uint8Array.from(high.data), expected, name)
  }
})

test('validation images are spread among the names, never trained on, whatever the order of the folder', async () => {
  const { training, validation, skipped } = await find([photos], 2)
  const names = (sources: { path: string }[]) => sources.map(({ path }) => path.slice(photos.length + 1))
  assert.deepEqual(names(validation), ['photo-1.png', 'photo-3.png'])
  assert.deepEqual(names(training), ['photo-0.png', 'photo-2.png', 'photo-4.png'])
  assert.deepEqual(skipped, [])
  const twice = await find([photos, join(photos, '..', 'photos')], 2)
  assert.deepEqual([twice.training.length, twice.validation.length], [3, 2], 'a folder named twice counts once')
  const all = await find([photos], 99)
  assert.deepEqual([all.training.length, all.validation.length], [3, 2], 'at most half are kept from training')
})

test('a batch depends on seed and step alone: not on where the run began, nor on what the cache held', async () => {
  const { training } = await find([photos], 1)
  const batchAt = async (first: number, step: number, changes: object = {}) => {
    const stream = openBatches({ ...order, sources: training, ...changes }, first, loud)
    let batch = await stream.next(first)
    for (let at = first + 1; at <= step; at++) batch = await stream.next(at)
    await stream.close()
    return batch
  }
  const straight = await batchAt(1, 12)
  assert.deepEqual(await batchAt(12, 12), straight)
  assert.deepEqual(await batchAt(5, 12, { cacheMb: 0 }), straight)
  assert.notDeepEqual(await batchAt(12, 12, { seed: 4 }), straight)
  assert.notDeepEqual(await batchAt(1, 11), straight)

  // The first sample, by hand.
  const random = randomAt(order.seed, 12, 0)
  const { low, high } = await loadPair(training[integer(random, training.length)]!, 2)
  const { x, y, symmetry } = randomPlace(random, low, 8)
  const [a, b] = [new Float32Array(8 * 8 * 3), new Float32Array(16 * 16 * 3)]
  cutPatch(low, x, y, 8, symmetry, a, 0)
  cutPatch(high, x * 2, y * 2, 16, symmetry, b, 0)
  assert.deepEqual(straight.low.subarray(0, a.length), a)
  assert.deepEqual(straight.high.subarray(0, b.length), b)
})

test('a file that turns out to be broken is named once, and others are drawn in its place, always the same', async () => {
  const { training } = await find([photos], 1)
  const path = join(folder, 'broken.png')
  const whole = await readFile(training[0]!.path)
  await writeFile(path, whole.subarray(0, whole.length / 2))
  const sources = [{ ...training[0]!, path }, ...training.slice(1)]
  const run = async (first: number) => {
    const skipped: string[] = []
    const stream = openBatches({ ...order, sources }, first, (path, reason) => skipped.push(`${path}: ${reason}`))
    let batch = await stream.next(first)
    for (let at = first + 1; at <= 9; at++) batch = await stream.next(at)
    await stream.close()
    return { batch, skipped }
  }
  const straight = await run(1)
  assert.equal(straight.skipped.length, 1)
  assert.match(straight.skipped[0]!, /broken\.png: ./)
  assert.deepEqual((await run(9)).batch, straight.batch)
})

test('when no image can be decoded, training fails with a reason instead of waiting for ever', async () => {
  const path = join(folder, 'empty.png')
  await writeFile(path, '')
  const stream = openBatches({ ...order, sources: [{ path, width: 64, height: 64 }] }, 1, () => {})
  await assert.rejects(stream.next(1), { code: 'no-images' })
  await stream.close()
})

test('a data worker that crashes fails the batches that wait for it and all later ones', async () => {
  const stream = openBatches({ ...order, sources: undefined as unknown as Source[] }, 1, () => {})
  await assert.rejects(stream.next(1), { code: 'internal' })
  await assert.rejects(stream.next(2), { code: 'internal' })
  await stream.close()
})
