import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import type { ErrorCode } from '../../errors.js'
import { UprezError } from '../../errors.js'
import { encode } from '../../infer/encode.js'
import { decode, readHeader } from '../../infer/files.js'
import { deepen, drawAlpha, drawFlat, drawGradient, drawGrey, drawPhoto, fill } from '../support/draw.js'
import { greyProfile, png, pngHeader, pngPixels, raw, rgbProfile, tiffOf, XMP } from './pictures.js'

const limits = { maxInputPixels: 1_000_000 }
const photo = drawPhoto(40, 30)

describe('decoding', () => {
  for (const [name, file] of [
    ['png', raw(photo).png()],
    ['webp', raw(photo).webp({ lossless: true })],
    ['tiff', raw(photo).tiff({ compression: 'none' })],
    ['tiff', raw(photo).tiff({ compression: 'deflate', predictor: 'horizontal' })],
  ] as const) {
    it(`gives the pixels of a lossless ${name} as they are`, async () => {
      const picture = await decode(await file.toBuffer(), limits)
      assert.deepEqual(picture, {
        format: name,
        image: { ...photo, data: picture.image.data },
        attached: { icc: undefined, exif: picture.attached.exif, xmp: undefined, density: undefined },
      })
      assert.deepEqual(picture.image.data, photo.data)
    })
  }

  for (const [name, file] of [
    ['jpg', raw(photo).jpeg({ quality: 98, chromaSubsampling: '4:4:4' })],
    ['avif', raw(photo).avif({ quality: 95, chromaSubsampling: '4:4:4', effort: 0 })],
  ] as const) {
    it(`reads ${name}`, async () => {
      const { format, image } = await decode(await file.toBuffer(), limits)
      assert.equal(format, name)
      assert.deepEqual([image.width, image.height, image.channels], [40, 30, 3])
      const meanError = image.data.reduce((sum, value, i) => sum + Math.abs(value - photo.data[i]!), 0) / image.data.length
      assert.ok(meanError < 3, `mean error ${meanError}`)
    })
  }

  it('keeps grey as one channel, grey with alpha as two, and alpha as the fourth', async () => {
    const grey = drawGrey(20, 10)
    const alpha = drawAlpha(20, 10)
    const greyAlpha = fill(20, 10, 2, (x, y) => [x * 12, y * 25])
    for (const image of [grey, alpha, greyAlpha]) {
      const decoded = await decode(await raw(image).png().toBuffer(), limits)
      assert.deepEqual(decoded.image, image)
    }
  })

  it('reduces 16 bits to 8, in colour and in grey', async () => {
    const wide = Uint16Array.from(drawPhoto(16, 8).data, value => value * 257)
    const colour = await sharp(wide, { raw: { width: 16, height: 8, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer()
    assert.equal((await sharp(colour).metadata()).depth, 'ushort')
    assert.deepEqual((await decode(colour, limits)).image, drawPhoto(16, 8))
    const greys = Uint16Array.from(drawGrey(16, 8).data, value => value * 257)
    const grey = await sharp(greys, { raw: { width: 16, height: 8, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toBuffer()
    assert.equal((await sharp(grey).metadata()).depth, 'ushort')
    assert.deepEqual((await decode(grey, limits)).image, drawGrey(16, 8))
  })

  for (const format of ['png', 'tiff'] as const) {
    it(`gives the 16 bits of a ${format} as they are: grey, grey + alpha, RGB and RGB + alpha`, async () => {
      for (const drawn of [drawGrey(20, 12), fill(20, 12, 2, (x, y) => [x * 12, y * 21]), drawPhoto(20, 12), drawAlpha(20, 12)]) {
        const image = deepen(drawn)
        const file = await raw(image).toFormat(format, { compression: 'deflate' }).toBuffer()
        assert.equal((await readHeader({ bytes: file })).depth, 16)
        assert.deepEqual((await decode(file, limits, { depth: 16 })).image, image)
        // libvips reduces grey by way of a linear light.
        const reduced = (await decode(file, limits)).image.data
        assert.ok(drawn.data.every((value, i) => Math.abs(value - reduced[i]!) <= (drawn.channels === 1 ? 1 : 0)))
      }
    })
  }

  it('gives more than 8 bits of an AVIF that has them', async () => {
    const image = deepen(photo)
    const file = await raw(image).avif({ bitdepth: 12, quality: 100, chromaSubsampling: '4:4:4', effort: 0 }).toBuffer()
    assert.equal((await readHeader({ bytes: file })).depth, 16)
    const decoded = (await decode(file, limits, { depth: 16 })).image
    assert.ok(decoded.data instanceof Uint16Array)
    const meanError = decoded.data.reduce((sum, value, i) => sum + Math.abs(value - image.data[i]!), 0) / decoded.data.length
    assert.ok(meanError < 257, `mean error ${meanError} of 65535, and a step of 8 bits is 257`)
  })

  it('spreads 8 bits over 16 where that is asked for: black stays black and white white', async () => {
    for (const image of [photo, drawGrey(20, 10), fill(20, 10, 2, (x, y) => [x * 13, y * 28])]) {
      const spread = { ...image, data: Uint16Array.from(image.data, value => value * 257) }
      assert.deepEqual((await decode(await raw(image).png().toBuffer(), limits, { depth: 16 })).image, spread)
    }
  })

  it('hands the profile of an RGB and of a grey picture of 16 bits on, unconverted', async () => {
    for (const [profile, drawn] of [
      [await rgbProfile(), photo],
      [greyProfile(), drawGrey(20, 12)],
    ] as const) {
      const image = deepen(drawn)
      const file = await encode(image, 'png', undefined, { icc: profile })
      const picture = await decode(file, limits, { depth: 16 })
      assert.deepEqual(picture.image, image)
      assert.deepEqual(picture.attached.icc, profile)
    }
  })

  it('takes one page of a TIFF of several, each of its own size', async () => {
    const sizes = [
      [8, 6],
      [30, 20],
      [4, 9],
    ] as const
    const file = tiffOf(sizes.map(([width, height], i) => drawGrey(width, height, i + 1)))
    for (const [i, [width, height]] of sizes.entries()) {
      const header = await readHeader({ bytes: file }, undefined, i + 1)
      assert.deepEqual([header.width, header.height], [width, height])
      assert.deepEqual((await decode(file, limits, { depth: 8, page: i + 1 })).image, drawGrey(width, height, i + 1))
    }
    await assert.rejects(decode(file, limits), { code: 'animated-image', got: 'a file of 3 pages, of which the option page takes one' })
    await assert.rejects(decode(file, limits, { depth: 8, page: 4 }), {
      code: 'invalid-option',
      param: 'page',
      expected: 'a page from 1 to 3',
    })
    const png = await raw(photo).png().toBuffer()
    await assert.rejects(decode(png, limits, { depth: 8, page: 2 }), { code: 'invalid-option', expected: '1, the only page' })
    assert.deepEqual((await decode(png, limits, { depth: 8, page: 1 })).image, photo)
  })

  it('tells the density, of whatever says it', async () => {
    const densityOf = async (file: Buffer) => (await readHeader({ bytes: file })).density
    assert.equal(await densityOf(await encode(photo, 'png', undefined, { density: 300 })), 300)
    assert.equal(await densityOf(await encode(photo, 'png', undefined, {})), undefined)
    assert.equal(await densityOf(await raw(photo).withExif({}).withDensity(240).jpeg().toBuffer()), 240)
    const jpeg = await raw(photo).jpeg().toBuffer()
    assert.equal(await densityOf(jpeg), undefined)
    for (const [unit, value, expected] of [
      [0, 1, undefined],
      [1, 200, 200],
      [2, 100, 254],
    ] as const) {
      const jfif = Buffer.from([0xff, 0xe0, 0, 16, ...Buffer.from('JFIF\0'), 1, 2, unit, 0, value, 0, value, 0, 0])
      assert.equal(await densityOf(Buffer.concat([jpeg.subarray(0, 2), jfif, jpeg.subarray(2)])), expected)
    }
    const absurd = await encode(photo, 'png', undefined, { density: 1e6 })
    assert.equal(await densityOf(absurd), undefined)
    const centimetres = Buffer.from(
      'II*\0\x08\0\0\0\x02\0\x1a\x01\x05\0\x01\0\0\0\x26\0\0\0\x28\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0\x64\0\0\0\x01\0\0\0',
      'latin1',
    )
    const header: [string, Uint8Array] = ['IHDR', pngHeader(2, 2)]
    const pixels: [string, Uint8Array][] = [
      ['IDAT', pngPixels(2, 2)],
      ['IEND', Buffer.alloc(0)],
    ]
    assert.equal(await densityOf(png([header, ['eXIf', centimetres], ...pixels])), 254)
    const broken = Buffer.from('II*\0\xff\xff\xff\x7f', 'latin1')
    assert.equal(await densityOf(png([header, ['eXIf', broken], ...pixels])), 72)
    assert.equal(await densityOf(await raw(photo).tiff({ xres: 10, yres: 10 }).toBuffer()), 254)
  })

  it('spreads a palette out to RGB', async () => {
    const four = fill(12, 8, 3, (x, y) => [x < 6 ? 250 : 10, y < 4 ? 200 : 20, 90])
    const file = await raw(four).png({ palette: true, colours: 4, dither: 0 }).toBuffer()
    assert.equal(file[25], 3, 'colour type of the file')
    assert.deepEqual((await decode(file, limits)).image, four)
  })

  it('turns the picture as its orientation says, all eight ways', async () => {
    const drawn = drawGradient(6, 4)
    const { data, width } = drawn
    const at = (x: number, y: number) => [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)]
    // Where the pixel (x, y) of the turned picture lies in the stored one.
    const stored: Record<number, (x: number, y: number) => [number, number]> = {
      1: (x, y) => [x, y],
      2: (x, y) => [5 - x, y],
      3: (x, y) => [5 - x, 3 - y],
      4: (x, y) => [x, 3 - y],
      5: (x, y) => [y, x],
      6: (x, y) => [y, 3 - x],
      7: (x, y) => [5 - y, 3 - x],
      8: (x, y) => [5 - y, x],
    }
    for (let orientation = 1; orientation <= 8; orientation++) {
      const file = await raw(drawn).withMetadata({ orientation }).png().toBuffer()
      const turned = orientation < 5 ? [6, 4] : [4, 6]
      const expected = fill(turned[0]!, turned[1]!, 3, (x, y) => at(...stored[orientation]!(x, y)))
      assert.deepEqual((await decode(file, limits)).image, expected, `orientation ${orientation}`)
      const header = await readHeader({ bytes: file })
      assert.deepEqual([header.width, header.height], turned)
    }
  })

  it('leaves the pixels of a picture with an RGB profile as they are and hands the profile on', async () => {
    const icc = await rgbProfile()
    const plain = await raw(photo).png().toBuffer()
    const tagged = await sharp(plain).withIccProfile('p3').png().toBuffer()
    const stored = await sharp(tagged).keepIccProfile().raw().toBuffer()
    const picture = await decode(tagged, limits)
    assert.deepEqual(picture.image.data, new Uint8Array(stored))
    assert.deepEqual(picture.attached.icc, icc)
  })

  it('turns CMYK into sRGB', async () => {
    const red = await raw(drawFlat(16, 16, [220, 30, 40]))
      .toColourspace('cmyk')
      .jpeg({ quality: 100 })
      .toBuffer()
    assert.equal((await sharp(red).metadata()).space, 'cmyk')
    const { image, attached } = await decode(red, limits)
    assert.equal(attached.icc, undefined)
    const [r, g, b] = image.data
    assert.ok(r! > 190 && g! < 80 && b! < 80, `${r} ${g} ${b}`)
  })

  it('hands EXIF and XMP on', async () => {
    const file = await raw(photo)
      .withExif({ IFD0: { Copyright: 'somebody' } })
      .withXmp(XMP)
      .jpeg()
      .toBuffer()
    const { attached } = await decode(file, limits)
    assert.match(attached.exif!.toString('latin1'), /somebody/)
    assert.equal(attached.xmp!.toString(), XMP)
  })
})

describe('bad files', () => {
  const cases: [what: string, code: ErrorCode, file: () => Promise<Uint8Array> | Uint8Array][] = [
    ['no bytes', 'empty-image', () => new Uint8Array()],
    ['a text', 'not-an-image', () => Buffer.from('not a picture at all')],
    ['random bytes', 'not-an-image', () => Buffer.from([7, 6, 5, 4, 3, 2, 1, 0, 9, 9, 9])],
    ['one byte', 'not-an-image', () => Buffer.from([0xff])],
    ['an SVG', 'unsupported-format', () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    [
      'an SVG behind a declaration',
      'unsupported-format',
      () => Buffer.from('<?xml version="1.0"?>\n<!-- x -->\n<!DOCTYPE svg>\n<svg xmlns="http://www.w3.org/2000/svg"/>'),
    ],
    ['a GIF', 'unsupported-format', () => raw(photo).gif().toBuffer()],
    ['a HEIC', 'unsupported-format', () => Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1')],
    ['an animated WebP', 'animated-image', async () => (await animation()).webp().toBuffer()],
    [
      'an animated PNG',
      'animated-image',
      () =>
        png([
          ['IHDR', pngHeader(2, 2)],
          ['acTL', Buffer.alloc(8, 1)],
          ['IDAT', pngPixels(2, 2)],
          ['IEND', Buffer.alloc(0)],
        ]),
    ],
    ['an AVIF sequence', 'animated-image', () => Buffer.from('\0\0\0\x18ftypavis\0\0\0\0avifavis', 'latin1')],
    ['a TIFF of two pages', 'animated-image', async () => (await animation()).tiff().toBuffer()],
    [
      'a PNG that claims 16000 × 16000',
      'too-many-pixels',
      () =>
        png([
          ['IHDR', pngHeader(16000, 16000)],
          ['IDAT', pngPixels(1, 1)],
          ['IEND', Buffer.alloc(0)],
        ]),
    ],
    [
      'a PNG that claims 2³¹ × 2³¹',
      'broken-image',
      () =>
        png([
          ['IHDR', pngHeader(2 ** 31, 2 ** 31)],
          ['IDAT', pngPixels(1, 1)],
          ['IEND', Buffer.alloc(0)],
        ]),
    ],
    [
      'a PNG with less than its header says',
      'broken-image',
      () =>
        png([
          ['IHDR', pngHeader(200, 200)],
          ['IDAT', pngPixels(200, 20)],
          ['IEND', Buffer.alloc(0)],
        ]),
    ],
    ['a PNG signature alone', 'broken-image', () => Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')],
  ]
  for (const [what, code, file] of cases) {
    it(`${what}: ${code}`, async () => {
      await assert.rejects(async () => decode(await file(), limits), isUprezError(code))
    })
  }

  for (const format of ['png', 'jpeg', 'webp', 'avif', 'tiff'] as const) {
    it(`a ${format} cut off in the middle: broken-image`, async () => {
      const whole = await raw(drawPhoto(200, 150))
        .toFormat(format, format === 'avif' ? { effort: 0 } : {})
        .toBuffer()
      for (const share of [0.5, 0.9]) {
        await assert.rejects(decode(whole.subarray(0, whole.length * share), limits), isUprezError('broken-image'))
      }
    })
  }

  it('the message shows limit and size', async () => {
    const file = await raw(photo).png().toBuffer()
    await assert.rejects(decode(file, { maxInputPixels: 1199 }), { code: 'too-many-pixels', expected: 'at most 1199 pixels', got: '40×30' })
    await decode(file, { maxInputPixels: 1200 })
  })
})

describe('headers of files', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'uprez-files-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('tells format, size and alpha without decoding', async () => {
    const path = join(folder, 'a.wrong-name')
    const whole = await raw(drawAlpha(64, 48)).png().toBuffer()
    await writeFile(path, whole.subarray(0, 200))
    assert.deepEqual(await readHeader({ path }), { format: 'png', width: 64, height: 48, alpha: true, depth: 8, density: undefined })
  })

  it('names a file that is not there, and a folder', async () => {
    await assert.rejects(readHeader({ path: join(folder, 'none.png') }), isUprezError('no-input'))
    await assert.rejects(readHeader({ path: folder }), isUprezError('no-input'))
  })
})

async function animation() {
  const frames = await Promise.all([
    raw(drawFlat(8, 8, [255, 0, 0]))
      .png()
      .toBuffer(),
    raw(drawFlat(8, 8, [0, 0, 255]))
      .png()
      .toBuffer(),
  ])
  return sharp(frames, { join: { animated: true } })
}

const isUprezError = (code: ErrorCode) => (error: unknown) => {
  assert.ok(error instanceof UprezError, String(error))
  assert.equal(error.code, code, error.message)
  return true
}
