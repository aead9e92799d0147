import assert from 'node:assert/strict'
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import sharp from 'sharp'
import type { Image } from '../../image/image.js'
import { resize } from '../../image/resize.js'
import { type BatchOrder, openBatches } from '../../train/batches.js'
import { resolveConfig } from '../../train/config.js'
import { applyDegradation, degradationSchema, drawDegradation } from '../../train/degradations/index.js'
import { openImages } from '../../train/images.js'
import { loadPair, loadPicture, mirrored } from '../../train/pairs.js'
import { pictureCache } from '../../train/picture-cache.js'
import { randomAt } from '../../train/random.js'
import { createSampler, type SampleOrder } from '../../train/sampler.js'
import { findSources } from '../../train/sources.js'
import { drawNoise, drawPhoto } from '../support/draw.js'
import { recordingReport, temporaryFolder, writePhotos, writePng } from '../support/training.js'

const home = await temporaryFolder()
const photos = await writePhotos(join(home, 'photos'), 5)
const plain = { folders: [photos], pairs: [], patch: 8, validation: 0 }
const { training } = await findSources(plain, 2, true)
const loud = (path: string, reason: string) => assert.fail(`left out ${path}: ${reason}`)
const order: SampleOrder = {
  sources: training,
  scale: 2,
  patch: 8,
  batch: 4,
  seed: 3,
  jitter: [1, 1],
  degradation: degradationSchema.parse({ kind: 'real-esrgan' }),
  reuse: 2,
}

async function writePairs(high: string, low: string, names: string[], lowName = (name: string) => name, scale = 2): Promise<void> {
  for (const [i, name] of names.entries()) {
    const photo = drawPhoto(48, 36, i + 1)
    const small = resize(photo, { width: 48 / scale, height: 36 / scale, kernel: 'bicubic' })
    for (const [folder, file, image] of [
      [high, name, photo],
      [low, lowName(name), small],
    ] as const) {
      await mkdir(folder, { recursive: true })
      await writePng(join(folder, `${file}.png`), image)
    }
  }
}

const find = (folder: string, scale = 2, ownLow = false) => findSources({ ...plain, folders: [folder] }, scale, ownLow)
const below = (folder: string, sources: { path: string; low?: string }[]) =>
  sources.map(({ path, low }) => [path, low].map(file => file?.slice(folder.length + 1)))

test('a degraded batch depends on seed and step alone: not on the workers, nor on where the run began, nor on the cache', async () => {
  const batchAt = async (first: number, step: number, changes: Partial<BatchOrder> = {}) => {
    const stream = openBatches({ ...order, cacheMb: 100, workers: 1, ...changes }, first, loud)
    let batch = await stream.next(first)
    for (let at = first + 1; at <= step; at++) batch = await stream.next(at)
    await stream.close()
    return batch
  }
  const straight = await batchAt(1, 40)
  assert.deepEqual(await batchAt(38, 40, { workers: 2, cacheMb: 0 }), straight)
  assert.deepEqual(await batchAt(40, 40, { workers: 3 }), straight)
  assert.notDeepEqual(await batchAt(40, 40, { seed: 4 }), straight)
  assert.ok(straight.low.every(value => value >= 0 && value <= 1))
})

test('a crop takes part in about `reuse` batches, always at another place, and few crops are made at once', async () => {
  const sampler = createSampler({ ...order, reuse: 4 }, 1e8, loud)
  const uses = new Map<Image, number>()
  const made: number[] = []
  const shown = new Set<string>()
  const steps = 256
  for (let step = 1; step <= steps; step++) {
    made.push(0)
    for (let index = 0; index < order.batch; index++) {
      const { pair, place } = await sampler.draw(step, index)
      if (!uses.has(pair.low)) made[step - 1]!++
      uses.set(pair.low, (uses.get(pair.low) ?? 0) + 1)
      shown.add(`${[...uses.keys()].indexOf(pair.low)} ${place.x} ${place.y} ${place.symmetry}`)
    }
  }
  const samples = steps * order.batch
  const mean = samples / uses.size
  assert.ok(mean > 3.4 && mean < 5, `${mean} uses`)
  assert.ok(shown.size > 0.95 * samples, `${shown.size} of ${samples} patches are new`)
  assert.ok(Math.max(...made.slice(32)) <= 4, `${made}`)
})

test('the low side of a crop is what its plan makes of its high side', async () => {
  const sampler = createSampler(order, 1e8, loud)
  for (let index = 0; index < 4; index++) {
    const { pair, plan } = await sampler.draw(1, index)
    assert.deepEqual([pair.low.width * 2, pair.low.height * 2], [pair.high.width, pair.high.height])
    const again = await applyDegradation(JSON.parse(JSON.stringify(plan)), pair.high)
    assert.deepEqual(again, pair.low)
  }
})

test('jitter reduces originals by factors of its range, and never below a patch', async () => {
  const detailed = join(home, 'noise.png')
  await writePng(detailed, drawNoise(120, 90))
  const sources = [{ path: detailed, width: 120, height: 90 }]
  const sharpness = async (jitter: [number, number]) => {
    const sampler = createSampler({ ...order, sources, degradation: { kind: 'bicubic' }, jitter, batch: 64 }, 1e8, loud)
    const found: number[] = []
    for (let index = 0; index < 64; index++) {
      const { pair } = await sampler.draw(1, index)
      assert.deepEqual(pair.low.data, resize(pair.high, { width: pair.low.width, height: pair.low.height, kernel: 'bicubic' }).data)
      assert.ok(Math.min(pair.low.width, pair.low.height) >= 8)
      const { data } = pair.high
      const mean = data.reduce((sum, value) => sum + value, 0) / data.length
      found.push(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length)
    }
    return found.sort((a, b) => a - b)
  }
  // Noise reduced by half keeps about a quarter of its variance.
  const [some, half, deep] = [await sharpness([0.5, 1]), await sharpness([0.5, 0.5]), await sharpness([0.1, 0.1])]
  assert.ok(some.at(-1)! > 2.5 * some[0]!)
  assert.ok(half.at(-1)! < 1.5 * half[0]!)
  assert.ok(deep[0]! < half[0]!)
})

test('a picture of half a patch or more is continued by its mirror image, both sides alike', async () => {
  const folder = await writePhotos(join(home, 'small'), 2, 72)
  await writePng(join(folder, 'a-small.png'), drawPhoto(22, 40))
  await writePng(join(folder, 'b-tiny.png'), drawPhoto(14, 40))
  const { training, skipped } = await findSources({ ...plain, folders: [folder], patch: 16 }, 2, false)
  assert.deepEqual(
    skipped.map(({ path, reason }) => [path.slice(folder.length + 1), reason]),
    [['b-tiny.png', '14×40 is smaller than half a patch of 32 pixels']],
  )
  const { low, high } = await loadPair(training[0]!, 2, 32)
  assert.deepEqual([high.width, high.height, low.width, low.height], [32, 40, 16, 20])
  const photo = await loadPicture(training[0]!.path)
  const small = resize(photo, { width: 11, height: 20, kernel: 'bicubic' })
  assert.deepEqual(high, mirrored(photo, 32))
  // Up to the new border; sums of mirrored pixels run the other way, so that halves may be rounded otherwise.
  const expected = mirrored(small, 16).data
  assert.ok(low.data.every((value, i) => Math.floor(i / 3) % 16 > 13 || Math.abs(value - expected[i]!) <= 1))
  const sampler = createSampler({ ...order, sources: training, patch: 16, degradation: { kind: 'bicubic' } }, 1e8, loud)
  for (let step = 1; step < 8; step++) await sampler.draw(step, 0)
})

test('mirroring continues a picture where it ends', () => {
  const image: Image = { data: Uint8Array.from([1, 2, 3].flatMap(v => [v, v, v])), width: 3, height: 1, channels: 3 }
  const { data, width, height } = mirrored(image, 5)
  assert.deepEqual([width, height], [5, 5])
  assert.deepEqual([...data].filter((_, i) => i % 3 === 0).slice(0, 10), [1, 2, 3, 3, 2, 1, 2, 3, 3, 2])
})

test('pairs are found by the names of their folders, wherever they stand', async () => {
  const folder = join(home, 'pairs')
  await writePairs(join(folder, 'a/gt'), join(folder, 'a/lq'), ['one', 'two'])
  await writePairs(join(folder, 'b/HR'), join(folder, 'b/LR'), ['one'])
  await writePairs(join(folder, 'set_high'), join(folder, 'set_low'), ['one'])
  await writePng(join(folder, 'a/gt', 'alone.png'), drawPhoto(48, 36))
  await writePng(join(folder, 'single.png'), drawPhoto(48, 36))
  const { training, skipped } = await find(folder)
  assert.deepEqual(below(folder, training), [
    ['single.png', undefined],
    ['a/gt/one.png', 'a/lq/one.png'],
    ['a/gt/two.png', 'a/lq/two.png'],
    ['b/HR/one.png', 'b/LR/one.png'],
    ['set_high/one.png', 'set_low/one.png'],
  ])
  assert.deepEqual(
    skipped.map(({ path, reason }) => [path.slice(folder.length + 1), reason]),
    [['a/gt/alone.png', 'the other side of the pair has no picture of this name']],
  )
})

test('DIV2K’s and BasicSR’s folders: the scale of the run is taken, what is reduced is no original', async () => {
  const folder = join(home, 'DIV2K')
  const high = join(folder, 'DIV2K_train_HR')
  const low = join(folder, 'DIV2K_train_LR_bicubic')
  for (const scale of [2, 3]) await writePairs(high, join(low, `X${scale}`), ['0001', '0002'], name => `${name}x${scale}`, scale)
  await writePairs(high, join(folder, 'DIV2K_train_LR_unknown/X2'), ['0001'], name => `${name}x2`)
  await writePairs(`${high}_sub`, join(low, 'X2_sub'), ['0001_s001'])
  const pairs = below(folder, (await find(folder, 2)).training)
  assert.deepEqual(pairs, [
    ['DIV2K_train_HR/0001.png', 'DIV2K_train_LR_bicubic/X2/0001x2.png'],
    ['DIV2K_train_HR/0002.png', 'DIV2K_train_LR_bicubic/X2/0002x2.png'],
    ['DIV2K_train_HR_sub/0001_s001.png', 'DIV2K_train_LR_bicubic/X2_sub/0001_s001.png'],
  ])
  const originals = [['DIV2K_train_HR/0001.png'], ['DIV2K_train_HR/0002.png'], ['DIV2K_train_HR_sub/0001_s001.png']]
  const ofScale4 = below(folder, (await find(folder, 4)).training)
  assert.deepEqual(
    ofScale4,
    originals.map(([path]) => [path, undefined]),
    'no low side of this scale',
  )
  // With a degradation of our own, the bicubic side is passed over; the unknown one is as given.
  assert.deepEqual(below(folder, (await find(folder, 2, true)).training), [
    ['DIV2K_train_HR_sub/0001_s001.png', undefined],
    ['DIV2K_train_HR/0001.png', 'DIV2K_train_LR_unknown/X2/0001x2.png'],
  ])
})

test('BasicSR’s crops of both sides: the bicubic one is a partner, or passed over where we degrade originals ourselves', async () => {
  const folder = join(home, 'crops')
  const [high, low] = ['DIV2K_train_HR_sub', 'DIV2K_train_LR_bicubic_sub']
  await writePairs(join(folder, high), join(folder, low), ['0001_s001'])
  assert.deepEqual(below(folder, (await find(folder, 2)).training), [[`${high}/0001_s001.png`, `${low}/0001_s001.png`]])
  assert.deepEqual(below(folder, (await find(folder, 2, true)).training), [[`${high}/0001_s001.png`, undefined]])
})

test('named pairs are read as they are; sides that do not fit are refused with both sizes', async () => {
  const [high, low] = [join(home, 'named/large'), join(home, 'named/small')]
  await writePairs(high, low, ['one', 'two', 'three'], name => name, 3)
  const data = { ...plain, folders: [], pairs: [{ low, high }] }
  const { training } = await findSources(data, 3, true)
  assert.equal(training.length, 3)
  const pair = await loadPair(training[0]!, 3)
  assert.deepEqual(pair.low, await loadPicture(training[0]!.low!))
  await assert.rejects(findSources(data, 2, true), {
    code: 'pair-mismatch',
    message: /small\/one\.png is 16×12 and .*large\/one\.png 48×36: not ×2/,
    expected: /^32×24, 2 times/,
    got: '48×36',
  })
  await assert.rejects(findSources({ ...data, pairs: [{ low: join(home, 'nowhere'), high }] }, 3, true), { code: 'no-input' })
})

test('patches of given pairs stay aligned, whole or cropped', async () => {
  const [high, low] = [join(home, 'aligned/gt'), join(home, 'aligned/lq')]
  await writePairs(high, low, ['one', 'two'])
  const { training: pairs } = await findSources({ ...plain, folders: [join(home, 'aligned')] }, 2, true)
  for (const sources of [pairs, [...pairs, ...training]]) {
    const sampler = createSampler({ ...order, sources }, 1e8, loud)
    let given = 0
    for (let step = 1; step <= 6; step++) {
      const { source, pair, plan } = await sampler.draw(step, step % 4)
      if (source.low === undefined) continue
      given++
      assert.equal(plan, undefined)
      const expected = resize(pair.high, { width: pair.low.width, height: pair.low.height, kernel: 'bicubic' })
      // Borders apart, the low side is the reduction of the high one.
      const at = (Math.floor(pair.low.height / 2) * pair.low.width + Math.floor(pair.low.width / 2)) * 3
      assert.deepEqual([...pair.low.data.subarray(at, at + 6)], [...expected.data.subarray(at, at + 6)])
    }
    assert.ok(given > 0)
  }
})

test('all low sides of one original stay on one side of the validation split', async () => {
  const folder = join(home, 'wild')
  const names = ['0001', '0002', '0003', '0004']
  for (const take of ['w1', 'w2']) await writePairs(join(folder, 'HR'), join(folder, 'LR'), names, name => `${name}x2${take}`)
  const { training, validation } = await findSources({ ...plain, folders: [folder], validation: 2 }, 2, false)
  const files = (sources: { path: string }[]) => new Set(sources.map(({ path }) => path))
  assert.deepEqual([training.length, files(training).size, validation.length], [4, 2, 2])
  for (const path of files(validation)) assert.ok(!files(training).has(path))
})

test('links are followed, and a file counts once however it is reached', async () => {
  const folder = join(home, 'links')
  await cp(photos, join(folder, 'real'), { recursive: true })
  await symlink(join(folder, 'real'), join(folder, 'again'))
  await symlink(join(folder, 'real', 'photo-0.png'), join(folder, 'photo.png'))
  await symlink(folder, join(folder, 'real', 'loop'))
  await symlink(join(folder, 'nowhere.png'), join(folder, 'broken.png'))
  await mkdir(join(folder, '.thumbnails'))
  await writePng(join(folder, '.thumbnails', 'photo-0.png'), drawPhoto(48, 48))
  const { training, skipped } = await findSources({ ...plain, folders: [folder, photos, join(folder, 'again')] }, 2, false)
  assert.equal(training.length, 10)
  assert.deepEqual(
    skipped.map(({ path }) => path.slice(folder.length + 1)),
    ['broken.png'],
  )
})

test('validation images of a degraded run are degraded once and for all, each in its own way', async () => {
  const overrides = { 'data.folders': [photos], 'data.validation': 2, 'degradation.kind': 'real-esrgan' }
  const open = async (more: object = {}) =>
    (await openImages(resolveConfig('tiny', { ...overrides, ...more }), recordingReport())).validation
  const [once, again, other] = [await open(), await open(), await open({ seed: 7 })]
  assert.deepEqual(again, once)
  assert.deepEqual(other[0]!.high, once[0]!.high)
  assert.notDeepEqual(other[0]!.low, once[0]!.low)
  const { degradation, scale, seed } = resolveConfig('tiny', overrides)
  const [, second] = once
  assert.deepEqual(second!.low, await applyDegradation(drawDegradation(degradation, scale, randomAt(seed, 1)), second!.high))
})

test('a broken low side is named, and the run goes on with other pictures', async () => {
  const [high, low] = [join(home, 'half/gt'), join(home, 'half/lq')]
  await writePairs(high, low, ['one', 'two'])
  const whole = await readFile(join(low, 'one.png'))
  await writeFile(join(low, 'one.png'), whole.subarray(0, whole.length / 2))
  const { training: sources } = await find(join(home, 'half'))
  const named: string[] = []
  const sampler = createSampler({ ...order, sources }, 1e8, path => named.push(path))
  for (let step = 1; step < 8; step++) assert.match((await sampler.draw(step, 0)).source.path, /two\.png$/)
  assert.equal(named.length, 1)
  assert.match(named[0]!, /lq\/one\.png or .*gt\/one\.png/)
})

test('CMYK pictures become RGB', async () => {
  const path = join(home, 'cmyk.jpg')
  await sharp({ create: { width: 16, height: 16, channels: 3, background: { r: 200, g: 60, b: 30 } } })
    .toColourspace('cmyk')
    .jpeg({ quality: 100 })
    .toFile(path)
  const { data, channels } = await loadPicture(path)
  assert.equal(channels, 3)
  assert.ok(data[0]! > data[1]! && data[1]! > data[2]!, `${data.subarray(0, 3)}`)
})

test('the cache of pictures never holds more than its limit, and drops the longest unused first', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(9), fc.boolean()), { maxLength: 60 }),
      fc.integer({ min: 0, max: 40 }),
      async (uses, limit) => {
        const cache = pictureCache<string>(limit)
        let model: string[] = []
        const bytesOf = (name: string) => 1 + Number(name) * 2
        for (const [number, forget] of uses) {
          const name = String(number)
          if (forget) {
            cache.forget(name)
            model = model.filter(other => other !== name)
            continue
          }
          let loaded = false
          const load = async () => {
            loaded = true
            return name
          }
          assert.equal(await cache.get(name, bytesOf(name), load), name)
          assert.equal(loaded, !model.includes(name))
          model = [...model.filter(other => other !== name), name]
          while (model.reduce((sum, other) => sum + bytesOf(other), 0) > limit) model.shift()
        }
      },
    ),
    { seed: 1 },
  )
})
