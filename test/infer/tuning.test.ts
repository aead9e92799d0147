import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Image } from '../../image/image.js'
import { findTuning, rememberedTuning } from '../../infer/tuning.js'

const card = { halo: 8, sizeMultiple: 1, fixedSize: null }
const cache = await mkdtemp(join(tmpdir(), 'uprez-tuning-'))
process.env.UPREZ_CACHE = cache
after(() => rm(cache, { recursive: true }))

/** A card that takes `start` ms for a run and a millisecond for so many pixels, and holds at most so many. */
function gpu({ start, pixelsPerMs, most = Number.POSITIVE_INFINITY }: { start: number; pixelsPerMs: number; most?: number }) {
  const tried: string[] = []
  const time = async (windows: Image[]) => {
    const { width, height } = windows[0]!
    tried.push(`${windows.length} of ${width}×${height}`)
    if (windows.length * width * height > most) throw new Error('out of memory')
    return start + (windows.length * width * height) / pixelsPerMs
  }
  return { time, tried }
}

test('a card that is busy with one window gets no batches', async () => {
  const { time, tried } = gpu({ start: 0.01, pixelsPerMs: 1e4 })
  assert.deepEqual(await findTuning(card, time), { side: 512, batch: 1 })
  assert.deepEqual(tried, ['1 of 256×256', '1 of 512×512', '1 of 1024×1024', '2 of 512×512'])
})

test('a card that waits for its orders gets large windows, and many', async () => {
  assert.deepEqual(await findTuning(card, gpu({ start: 100, pixelsPerMs: 1e6 }).time), { side: 1024, batch: 16 })
})

test('what does not fit into its memory is not taken', async () => {
  const { time } = gpu({ start: 100, pixelsPerMs: 1e6, most: 4 * 512 * 512 })
  assert.deepEqual(await findTuning(card, time), { side: 1024, batch: 1 })
  assert.equal(await findTuning(card, gpu({ start: 100, pixelsPerMs: 1e6, most: 1 }).time), undefined)
})

test('sides are what the model can take; one of fixed size has batches alone, one that runs whole nothing', async () => {
  const { time, tried } = gpu({ start: 0, pixelsPerMs: 1e4 })
  await findTuning({ ...card, halo: 100, sizeMultiple: 48 }, time)
  assert.equal(tried[0], '1 of 432×432')
  const fixed = { ...card, fixedSize: { width: 64, height: 32 } }
  assert.deepEqual(await findTuning(fixed, gpu({ start: 100, pixelsPerMs: 1e4 }).time), { side: 0, batch: 16 })
  assert.deepEqual(await findTuning({ ...card, halo: null }, time), { side: 0, batch: 1 })
})

test('the search ends in time', async () => {
  const { time, tried } = gpu({ start: 100, pixelsPerMs: 1e6 })
  let now = 0
  const found = await findTuning(card, time, () => {
    now += 9000
    return now
  })
  assert.deepEqual(found, { side: 1024, batch: 1 })
  assert.equal(tried.length, 3)
})

test('what was found is remembered, until the file is damaged', async () => {
  const finds = (batch: number) => async () => ({ side: 256, batch })
  assert.deepEqual(await rememberedTuning('cuda-1', finds(2)), { side: 256, batch: 2 })
  assert.deepEqual(await rememberedTuning('cuda-1', finds(4)), { side: 256, batch: 2 })
  assert.deepEqual(await rememberedTuning('cuda-2', finds(4)), { side: 256, batch: 4 })
  assert.deepEqual((await readdir(join(cache, 'providers'))).sort(), ['cuda-1.json', 'cuda-2.json'])
})

test('that nothing was found is not remembered', async () => {
  assert.deepEqual(await rememberedTuning('cuda-3', async () => undefined), { side: 0, batch: 1 })
  assert.deepEqual(await rememberedTuning('cuda-3', async () => ({ side: 256, batch: 2 })), { side: 256, batch: 2 })
})
