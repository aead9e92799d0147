import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import type { Image, Pixels } from '../../image/image.js'
import { encode } from '../../infer/encode.js'
import { decode } from '../../infer/files.js'
import { createUpscaler, type UpscaleOptions, type Upscaler } from '../../infer/upscaler.js'
import { openSession } from '../../probe/session.js'
import { deepen, drawAlpha, drawGrey, drawNoise, drawPhoto, fill } from '../support/draw.js'
import { writeModel } from '../support/model.js'
import { raw, tiffOf } from './pictures.js'

const limits = { maxInputPixels: 1_000_000 }

let folder: string
let up: Upscaler
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-depth-'))
  await writeModel(folder, { id: 'deep', kind: 'network', depth: 4, channels: 8 })
  up = await createUpscaler({ model: 'deep', modelPath: folder, threads: 1 })
})
after(async () => {
  await up.close()
  await rm(folder, { recursive: true })
})

async function upscaled(image: Image<Pixels>, options: UpscaleOptions = {}, from: 'png' | 'tiff' = 'png'): Promise<Image<Pixels>> {
  const { data } = await up.upscale(await encode(image, from, undefined, {}), options)
  return (await decode(data, limits, { depth: (await sharp(data).metadata()).depth === 'ushort' ? 16 : 8 })).image
}

/** What the canonical file makes of the whole picture in floats, 0 to 65,535 and not rounded. */
async function reference({ data, width, height }: Image<Uint16Array>): Promise<Float32Array> {
  const session = await openSession(await readFile(join(folder, 'deep', 'model.onnx')))
  const planes = Float32Array.from({ length: data.length }, (_, i) => {
    const [c, p] = [Math.floor(i / (width * height)), i % (width * height)]
    return data[p * 3 + c]! / 65_535
  })
  const answer = await session.run({ data: planes, dims: [1, 3, height, width] })
  await session.close()
  const pixels = width * height * 4
  return Float32Array.from({ length: pixels * 3 }, (_, i) => answer.data[(i % 3) * pixels + Math.floor(i / 3)]! * 65_535)
}

describe('16 bits', () => {
  for (const [format, from] of [
    ['png', 'tiff'],
    ['tiff', 'png'],
  ] as const) {
    it(`come out of the engine as ${format} as the network computes them in floats, in tiles`, async () => {
      const image = deepen(drawPhoto(60, 44))
      const expected = await reference(image)
      const result = await upscaled(image, { format, tile: 32 }, from)
      assert.ok(result.data instanceof Uint16Array)
      assert.deepEqual([result.width, result.height, result.channels], [120, 88, 3])
      const differences = result.data.map((value, i) => Math.abs(value - Math.min(65_535, Math.max(0, expected[i]!))))
      assert.ok(Math.max(...differences) <= 2, `${Math.max(...differences)} of 65535`)
      // The picture has what 8 bits cannot hold.
      assert.ok(new Set(result.data.map(value => value & 255)).size > 200)
    })
  }

  it('of a picture of 8 give what 8 give, within a step of 8', async () => {
    for (const image of [drawPhoto(40, 30), drawGrey(40, 30), drawAlpha(40, 30)]) {
      const eight = await upscaled(image)
      const sixteen = await upscaled(image, { depth: 16 })
      assert.ok(eight.data instanceof Uint8Array && sixteen.data instanceof Uint16Array)
      assert.equal(sixteen.channels, image.channels)
      assert.ok(sixteen.data.every((value, i) => Math.abs(value / 257 - eight.data[i]!) <= 1))
    }
  })

  it('become 8 where the format has no more, or where 8 are asked for', async () => {
    const image = deepen(drawPhoto(24, 20))
    assert.ok((await upscaled(image, { depth: 8 })).data instanceof Uint8Array)
    assert.ok((await upscaled(image, { format: 'jpg' })).data instanceof Uint8Array)
    await assert.rejects(upscaled(image, { format: 'jpg', depth: 16 }), { code: 'invalid-option', param: 'depth' })
    assert.deepEqual(await upscaled(image, { depth: 8 }), await upscaled((await decode(await raw(image).png().toBuffer(), limits)).image))
  })

  it('go through the final resize and through test-time augmentation', async () => {
    const image = deepen(drawPhoto(24, 20))
    const resized = await upscaled(image, { scale: 3 })
    assert.ok(resized.data instanceof Uint16Array)
    assert.deepEqual([resized.width, resized.height], [72, 60])
    assert.ok((await upscaled(image, { tta: true })).data instanceof Uint16Array)
  })

  it('count twice where the result is measured against the limit', async () => {
    const small = await createUpscaler({ model: 'deep', modelPath: folder, threads: 1, maxOutputPixels: 40 * 40 * 4 })
    try {
      const image = drawPhoto(40, 40)
      await small.upscale(await raw(image).png().toBuffer())
      await assert.rejects(small.upscale(await raw(deepen(image)).png().toBuffer()), { code: 'output-too-large', message: /count twice/ })
    } finally {
      await small.close()
    }
  })
})

describe('grey stays grey on disk', () => {
  const greyAlpha = fill(20, 12, 2, (x, y) => [x * 12, y * 21])
  for (const [input, output, file] of [
    ['PNG', 'png', (image: Image<Pixels>) => raw(image).png().toBuffer()],
    ['TIFF', 'png', (image: Image<Pixels>) => raw(image).tiff({ compression: 'lzw' }).toBuffer()],
    ['TIFF', 'tiff', (image: Image<Pixels>) => raw(image).tiff({ compression: 'lzw' }).toBuffer()],
    ['PNG', 'tiff', (image: Image<Pixels>) => raw(image).png().toBuffer()],
  ] as const) {
    it(`${input} to ${output}: one channel, two with alpha, in 8 bits and in 16`, async () => {
      for (const image of [drawGrey(20, 12), greyAlpha, deepen(drawGrey(20, 12)), deepen(greyAlpha)]) {
        const { data } = await up.upscale(await file(image), { format: output })
        const { channels, depth, width, space } = await sharp(data).metadata()
        const deep = image.data instanceof Uint16Array
        assert.deepEqual([channels, depth, width, space], [image.channels, deep ? 'ushort' : 'uchar', 40, deep ? 'grey16' : 'b-w'])
      }
    })
  }

  it('JPEG to JPEG, PNG and TIFF: one channel', async () => {
    const grey = await raw(drawGrey(20, 12)).jpeg().toBuffer()
    for (const format of ['auto', 'png', 'tiff'] as const) {
      const { data } = await up.upscale(grey, { format })
      assert.equal((await sharp(data).metadata()).channels, 1)
    }
  })
})

describe('the density of the result', () => {
  it('is that of the picture, that times the enlargement, or the one asked for', async () => {
    const picture = await encode(drawNoise(16, 12), 'tiff', undefined, { density: 150 })
    for (const format of ['png', 'jpg', 'tiff'] as const) {
      const densityOf = async (options: UpscaleOptions) =>
        (await sharp((await up.upscale(picture, { format, ...options })).data).metadata()).density
      assert.equal(await densityOf({}), 150)
      assert.equal(await densityOf({ dpi: 'scale' }), 300)
      assert.equal(await densityOf({ dpi: 'scale', width: 40 }), 375)
      assert.equal(await densityOf({ dpi: 96, depth: 8 }), 96)
    }
    await assert.rejects(up.upscale(picture, { dpi: 0 }), { code: 'invalid-option', param: 'dpi' })
  })
})

describe('a TIFF of several pages', () => {
  it('is taken page by page', async () => {
    const pages = [drawGrey(20, 12), drawGrey(30, 10, 2)]
    const file = tiffOf(pages)
    for (const [i, page] of pages.entries()) {
      const { data, width, height } = await up.upscale(file, { page: i + 1 })
      assert.deepEqual([width, height], [page.width * 2, page.height * 2])
      assert.deepEqual((await decode(data, limits)).image, await upscaled(page))
    }
    await assert.rejects(up.upscale(file), { code: 'animated-image' })
    await assert.rejects(up.upscale(file, { page: 3 }), { code: 'invalid-option', param: 'page' })
  })
})
