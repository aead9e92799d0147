import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import type { Image } from '../../image/image.js'
import { checkOutputSize, encode, encodeToFile, outputDensity, outputDepth, outputFormat } from '../../infer/encode.js'
import type { Attached } from '../../infer/files.js'
import { decode, readHeader } from '../../infer/files.js'
import { OUTPUT_FORMATS as FORMATS } from '../../infer/job.js'
import { deepen, drawAlpha, drawFlat, drawGrey, drawNoise, drawPhoto, fill } from '../support/draw.js'
import { pixelsOf, pngChunks, raw, rgbProfile, XMP } from './pictures.js'

const limits = { maxInputPixels: 1_000_000 }
const photo = drawPhoto(48, 36)
const greyAlpha = fill(20, 12, 2, (x, y) => [x * 12, y * 21])

const everyKind = [drawGrey(20, 12), greyAlpha, photo, drawAlpha(20, 12)]

describe('encoding', () => {
  for (const format of ['png', 'tiff'] as const) {
    it(`${format} holds 8 and 16 bits exactly: grey, grey + alpha, RGB and RGB + alpha`, async () => {
      for (const image of [...everyKind, ...everyKind.map(image => deepen(image))]) {
        const file = await encode(image, format, undefined, {})
        const { channels, depth } = await sharp(file).metadata()
        assert.deepEqual([channels, depth], [image.channels, image.data instanceof Uint16Array ? 'ushort' : 'uchar'])
        const { image: decoded } = await decode(file, limits, { depth: depth === 'ushort' ? 16 : 8 })
        assert.deepEqual(decoded, image)
      }
    })
  }

  it('PNG holds the pixels exactly: grey, grey + alpha, RGB and RGB + alpha', async () => {
    for (const image of everyKind) {
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
      if (format === 'png' || format === 'tiff') return
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
    assert.equal((await sharp(await encode(drawFlat(16, 16, [200, 90]), 'jpg', undefined, {})).metadata()).channels, 1)
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
    attached = { icc: await rgbProfile(), exif: (await sharp(exif).metadata()).exif!, xmp: Buffer.from(XMP), density: 300 }
  })

  it('does not change a pixel', async () => {
    for (const image of [...everyKind, drawFlat(1, 1, [1, 2, 3])]) {
      const { icc, ...rest } = attached
      const those = image.channels < 3 ? rest : { icc, ...rest }
      assert.deepEqual((await decode(await encode(image, 'png', undefined, those), limits)).image, image)
      const deep = deepen(image)
      for (const format of ['png', 'tiff'] as const) {
        assert.deepEqual((await decode(await encode(deep, format, undefined, those), limits, { depth: 16 })).image, deep)
      }
    }
  })

  for (const format of FORMATS) {
    it(`${format} gets the same profile, the EXIF data with orientation 1, and the XMP packet`, async () => {
      const meta = await sharp(await encode(photo, format, undefined, attached)).metadata()
      assert.deepEqual(meta.icc, attached.icc)
      assert.deepEqual(meta.xmp, attached.xmp)
      // libtiff writes no EXIF data.
      if (format !== 'tiff') assert.match(meta.exif!.toString('latin1'), /somebody/)
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
      const { icc, xmp, exif } = await sharp(await encode(photo, format, undefined, {})).metadata()
      assert.deepEqual([icc, xmp, exif], [undefined, undefined, undefined])
    }
  })
})

describe('the density', () => {
  const densityOf = async (file: Buffer) => (await sharp(file).metadata()).density

  for (const format of ['png', 'jpg', 'tiff'] as const) {
    it(`of a ${format} is the one that is asked for, in 8 bits and 16, with EXIF data and without, and changes no pixel`, async () => {
      const exif = await exifOf({ XResolution: '72/1' })
      for (const image of format === 'jpg' ? everyKind : [...everyKind, ...everyKind.map(image => deepen(image))]) {
        const plain = await pixelsOf(await encode(image, format, undefined, {}))
        for (const density of [30, 72, 300, 65_535]) {
          for (const attached of [{ density }, { density, exif }]) {
            const file = await encode(image, format, undefined, attached)
            assert.equal(await densityOf(file), density)
            assert.deepEqual(await pixelsOf(file), plain)
          }
        }
      }
    })
  }

  it('stands in the pHYs chunk of a PNG, which says that it does not know where nobody does', async () => {
    const [known] = pngChunks(await encode(photo, 'png', undefined, { density: 300 }), 'pHYs')
    assert.deepEqual([known!.readUInt32BE(0), known!.readUInt32BE(4), known![8]], [11_811, 11_811, 1])
    const [unknown] = pngChunks(await encode(photo, 'png', undefined, {}), 'pHYs')
    assert.deepEqual([unknown!.readUInt32BE(0), unknown!.readUInt32BE(4), unknown![8]], [1, 1, 0])
  })

  it('stands in the JFIF segment of a JPEG, right after its start, and in the EXIF data of whatever has some', async () => {
    const file = await encode(photo, 'jpg', undefined, { density: 300 })
    assert.equal(file.toString('hex', 0, 20), 'ffd8ffe000104a46494600010201012c012c0000')
    assert.equal((await encode(photo, 'jpg', undefined, {})).indexOf('JFIF'), -1)
    const exif = await exifOf({ Copyright: 'x' })
    for (const format of FORMATS.filter(format => format !== 'tiff')) {
      const file = await encode(photo, format, undefined, { exif, density: 300 })
      assert.equal((await readHeader({ bytes: file })).density, 300)
    }
  })

  it('is kept, scaled with the picture, or another one', () => {
    assert.deepEqual(
      [undefined, 'keep', 'scale', 96].map(asked => outputDensity(asked as 'keep', 150, 4)),
      [150, 150, 600, 96],
    )
    assert.deepEqual(
      [undefined, 'keep', 'scale', 96].map(asked => outputDensity(asked as 'keep', undefined, 4)),
      [undefined, undefined, undefined, 96],
    )
    assert.equal(outputDensity('scale', 40_000, 4), 65_535)
    assert.equal(outputDensity('scale', 30, 0.01), 1)
  })
})

describe('encoding into a file', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'uprez-encode-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('writes the very bytes that come back otherwise', async () => {
    const path = join(folder, 'picture')
    const exif = await exifOf({ Copyright: 'x' })
    const icc = await rgbProfile()
    // A profile that does not shrink puts the density far into the file.
    const large = Buffer.concat([icc, Buffer.from(drawNoise(200, 200, 3).data)])
    large.writeUInt32BE(large.length, 0)
    for (const attached of [{}, { density: 300 }, { icc, exif, xmp: Buffer.from(XMP), density: 72 }, { icc: large, density: 96 }]) {
      for (const image of [photo, drawAlpha(20, 12), drawGrey(20, 12)]) {
        for (const format of FORMATS) {
          const those = image.channels < 3 ? { ...attached, icc: undefined } : attached
          await encodeToFile(path, image, format, 90, those)
          assert.deepEqual(await readFile(path), await encode(image, format, 90, those), format)
        }
      }
      await encodeToFile(path, deepen(photo), 'png', undefined, attached)
      assert.deepEqual(await readFile(path), await encode(deepen(photo), 'png', undefined, attached))
    }
  })

  it('tells a full disk and a missing folder as the system would', { skip: process.platform !== 'linux' }, async () => {
    for (const format of FORMATS) {
      await assert.rejects(encodeToFile('/dev/full', photo, format, undefined, {}), { code: 'ENOSPC' })
      await assert.rejects(encodeToFile(join(folder, 'none', 'picture'), photo, format, undefined, {}), { code: 'ENOENT' })
    }
  })

  it('tells each of many writes at once that the disk is full, though libvips mixes up their words', {
    skip: process.platform !== 'linux',
  }, async () => {
    const picture = drawPhoto(300, 300)
    const writes = Array.from({ length: 160 }, (_, i) => encodeToFile('/dev/full', picture, FORMATS[i % FORMATS.length]!, undefined, {}))
    const codes = (await Promise.allSettled(writes)).map(result => (result.status === 'rejected' ? result.reason.code : 'written'))
    assert.deepEqual(new Set(codes), new Set(['ENOSPC']))
  })
})

describe('the depth of the output', () => {
  it('follows the picture where the format holds as much', () => {
    for (const asked of [undefined, 'auto'] as const) {
      assert.deepEqual(
        FORMATS.map(format => outputDepth(asked, 16, format)),
        FORMATS.map(format => (format === 'png' || format === 'tiff' ? 16 : 8)),
      )
      for (const format of FORMATS) assert.equal(outputDepth(asked, 8, format), 8)
    }
  })

  it('is what is asked for, or refused', () => {
    for (const format of FORMATS) assert.equal(outputDepth(8, 16, format), 8)
    for (const format of ['png', 'tiff'] as const) assert.equal(outputDepth(16, 8, format), 16)
    for (const format of ['jpg', 'webp', 'avif'] as const) {
      assert.throws(() => outputDepth(16, 16, format), { code: 'invalid-option', param: 'depth', got: '16' })
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

/** EXIF data with these fields. */
async function exifOf(fields: Record<string, string>): Promise<Buffer> {
  const file = await raw(photo).withExif({ IFD0: fields }).jpeg().toBuffer()
  return (await sharp(file).metadata()).exif!
}
