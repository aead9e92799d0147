import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import sharp from 'sharp'
import type { Image } from '../../image/image.js'
import { checkOutputSize, encode, outputFormat } from '../../infer/encode.js'
import type { OutputFormat } from '../../infer/engine.js'
import type { Attached } from '../../infer/files.js'
import { decode } from '../../infer/files.js'
import { drawAlpha, drawFlat, drawGrey, drawPhoto, fill } from '../support/draw.js'
import { pixelsOf, raw, rgbProfile, XMP } from './pictures.js'

const FORMATS: OutputFormat[] = ['png', 'jpg', 'webp', 'avif']
const limits = { maxInputPixels: 1_000_000 }
const photo = drawPhoto(48, 36)
const greyAlpha = fill(20, 12, 2, (x, y) => [x * 12, y * 21])

describe('encoding', () => {
  it('PNG holds the pixels exactly: grey, grey + alpha, RGB and RGB + alpha', async () => {
    for (const image of [drawGrey(20, 12), greyAlpha, photo, drawAlpha(20, 12)]) {
      const file = await encode(image, 'png', undefined, {})
      assert.equal(file[25], [0, 0, 4, 2, 6][image.channels], 'colour type')
      assert.deepEqual((await decode(file, limits)).image, image)
    }
  })

  for (const format of FORMATS) {
    it(`${format} shows what was drawn, and more of it at a higher quality`, async () => {
      const file = await encode(photo, format, undefined, {})
      const meta = await sharp(file).metadata()
      assert.equal(meta.mediaType, `image/${format === 'jpg' ? 'jpeg' : format}`)
      assert.deepEqual([meta.width, meta.height, meta.channels], [48, 36, 3])
      // WebP halves the resolution of colour, and the drawing has sharp colours.
      assert.ok(meanError(await pixelsOf(file), photo) < (format === 'webp' ? 10 : 4))
      if (format === 'png') return
      const poor = await encode(photo, format, 20, {})
      assert.ok(poor.length < file.length / 2)
    })

    it(`${format} keeps grey grey`, async () => {
      const { data, channels } = await pixelsOf(await encode(drawGrey(32, 24), format, undefined, {}))
      // WebP has no grey: its colours are rounded from luma and chroma.
      const most = format === 'webp' ? 1 : 0
      for (let i = 0; i < data.length; i += channels) {
        const pixel = data.subarray(i, i + channels)
        assert.ok(Math.max(...pixel) - Math.min(...pixel) <= most, `${pixel}`)
      }
    })
  }

  it('JPEG stores a grey picture as one component and colour without subsampling', async () => {
    assert.equal((await sharp(await encode(drawGrey(16, 16), 'jpg', undefined, {})).metadata()).channels, 1)
    assert.equal((await sharp(await encode(photo, 'jpg', undefined, {})).metadata()).chromaSubsampling, '4:4:4')
  })

  it('WebP and AVIF keep alpha, JPEG lays the picture on white', async () => {
    const half = drawFlat(16, 16, [200, 0, 100, 102])
    for (const format of ['webp', 'avif'] as const) {
      const { data, channels } = await pixelsOf(await encode(half, format, undefined, {}))
      assert.equal(channels, 4)
      assert.ok(Math.abs(data[3]! - 102) <= 2)
    }
    const { data, channels } = await pixelsOf(await encode(half, 'jpg', 100, {}))
    assert.equal(channels, 3)
    // 255 + (c − 255) · 0.4
    for (const [i, expected] of [233, 153, 193].entries()) assert.ok(Math.abs(data[i]! - expected) <= 2, `${data[i]} for ${expected}`)
    const grey = await pixelsOf(await encode(drawFlat(16, 16, [0, 0]), 'jpg', undefined, {}))
    assert.deepEqual([...grey.data.subarray(0, 2)], [255, 255])
  })
})

describe('what is attached', () => {
  let attached: Required<Attached>
  before(async () => {
    const exif = await raw(photo)
      .withExif({ IFD0: { Copyright: 'somebody', Orientation: '6' } })
      .jpeg()
      .toBuffer()
    attached = { icc: await rgbProfile(), exif: (await sharp(exif).metadata()).exif!, xmp: Buffer.from(XMP) }
  })

  it('does not change a pixel', async () => {
    for (const image of [drawGrey(20, 12), greyAlpha, photo, drawAlpha(20, 12), drawFlat(1, 1, [1, 2, 3])]) {
      const { icc, ...rest } = attached
      const file = await encode(image, 'png', undefined, image.channels < 3 ? rest : { icc, ...rest })
      assert.deepEqual((await decode(file, limits)).image, image)
    }
  })

  for (const format of FORMATS) {
    it(`${format} gets the same profile, the EXIF data with orientation 1, and the XMP packet`, async () => {
      const meta = await sharp(await encode(photo, format, undefined, attached)).metadata()
      assert.deepEqual(meta.icc, attached.icc)
      assert.deepEqual(meta.xmp, attached.xmp)
      assert.match(meta.exif!.toString('latin1'), /somebody/)
      assert.ok([1, undefined].includes(meta.orientation))
      const plain = await pixelsOf(await encode(photo, format, undefined, {}))
      assert.deepEqual(await pixelsOf(await encode(photo, format, undefined, attached)), plain)
    })

    it(`${format} goes without what it cannot hold rather than fail`, async () => {
      const large = Buffer.from(XMP.replace('drawn', 'x'.repeat(200_000)))
      const broken = Buffer.from('Exif\0\0nonsense')
      const file = await encode(photo, format, undefined, { ...attached, xmp: large, exif: broken })
      assert.deepEqual((await sharp(file).metadata()).icc, attached.icc)
    })
  }

  it('nothing is made up: no profile, EXIF or XMP where there was none', async () => {
    for (const format of FORMATS) {
      const { icc, xmp } = await sharp(await encode(photo, format, undefined, {})).metadata()
      assert.deepEqual([icc, xmp], [undefined, undefined])
    }
  })
})

describe('the output format', () => {
  it('is asked for, or follows the input', () => {
    assert.equal(outputFormat('auto', 'jpg'), 'jpg')
    assert.equal(outputFormat('auto', 'webp'), 'webp')
    for (const input of ['png', 'avif', 'tiff'] as const) assert.equal(outputFormat('auto', input), 'png')
    assert.equal(outputFormat('avif', 'jpg'), 'avif')
  })

  for (const [format, most] of [
    ['jpg', 65_535],
    ['webp', 16_383],
    ['avif', 16_384],
  ] as const) {
    it(`${format} ends at ${most} pixels a side`, () => {
      checkOutputSize(most, most, format)
      for (const [width, height] of [
        [most + 1, 1],
        [1, most + 1],
      ] as const) {
        assert.throws(() => checkOutputSize(width, height, format), { code: 'output-too-large', got: `${width}×${height}` })
      }
    })
  }
})

function meanError(a: Image, b: Image): number {
  return a.data.reduce((sum, value, i) => sum + Math.abs(value - b.data[i]!), 0) / a.data.length
}
