import { constants, deflateRawSync, deflateSync } from 'node:zlib'
import { png, pngHeader, pngPixels } from '../../infer/pictures.js'
import { BROKEN, EITHER, FINE, type Hostile, type Right, upload } from './hostile.js'

type Chunk = [type: string, body: Uint8Array]

const END: Chunk = ['IEND', Buffer.alloc(0)]

/** PNG files whose checksums are right and whose words are not. https://www.w3.org/TR/png-3/ */
export function lyingPngs(): Hostile[] {
  const [width, height] = [12, 8]
  const plain: Chunk = ['IDAT', pngPixels(width, height)]
  const header = (about: Partial<Fields> = {}): Chunk => ['IHDR', ihdr({ width, height, ...about })]
  const lie = (about: Partial<Fields>, right: readonly Right[] = BROKEN): Hostile => {
    const told = Object.entries(about).map(([key, value]) => `${key} ${value}`)
    return upload(`PNG of ${told.join(', ')}`, () => png([header(about), plain, END]), right, 'lie.png')
  }
  const with_ = (name: string, chunks: () => Chunk[], right: readonly Right[]): Hostile =>
    upload(`PNG with ${name}`, () => png([header(), ...chunks(), plain, END]), right, 'with.png')
  const of = (name: string, chunks: () => Chunk[], right: readonly Right[]): Hostile =>
    upload(`PNG ${name}`, () => png(chunks()), right, 'of.png')

  return [
    lie({ width: 0 }),
    lie({ height: 0 }),
    lie({ width: 0, height: 0 }),
    lie({ width: 2 ** 31 - 1, height: 1 }),
    lie({ width: 2 ** 31, height: 8 }),
    lie({ width: 2 ** 32 - 1, height: 2 ** 32 - 1 }),
    lie({ width: 999_999, height: 999_999 }, ['too-many-pixels', 'broken-image']),
    lie({ width: 65_500, height: 65_500 }, ['too-many-pixels']),
    lie({ width: 9000, height: 9000 }, ['output-too-large']),
    lie({ width: 99_999, height: 1 }, ['output-too-large', 'broken-image']),
    lie({ width: 13 }),
    lie({ height: 9 }),
    lie({ height: 7 }, EITHER),
    lie({ depth: 3 }),
    lie({ depth: 0 }),
    lie({ depth: 255 }),
    lie({ depth: 16 }),
    lie({ colour: 1 }),
    lie({ colour: 3 }),
    lie({ colour: 5 }),
    lie({ colour: 255 }),
    lie({ colour: 6 }),
    lie({ compression: 1 }),
    lie({ filter: 9 }),
    lie({ interlace: 1 }),
    lie({ interlace: 2 }),
    of('of a header alone', () => [header()], BROKEN),
    of('without a header', () => [plain, END], BROKEN),
    of('without pixels', () => [header(), END], BROKEN),
    of('without an end', () => [header(), plain], EITHER),
    of('with two headers', () => [header(), header({ width: 9000, height: 9000 }), plain, END], EITHER),
    of('whose header has no bytes', () => [['IHDR', Buffer.alloc(0)], plain, END], BROKEN),
    of('whose header is long', () => [['IHDR', Buffer.alloc(100_000, 1)], plain, END], BROKEN),
    of('of one row filter that is none', () => [header(), ['IDAT', deflateSync(Buffer.alloc((width * 3 + 1) * height, 9))], END], BROKEN),
    of('whose pixels are no deflate stream', () => [header(), ['IDAT', Buffer.alloc(500, 0xa5)], END], BROKEN),
    of('whose pixels come in a thousand pieces', () => [header(), ...pieces(pngPixels(width, height)), END], FINE),
    of('with 50,000 empty chunks of pixels', () => [header(), ...Array<Chunk>(50_000).fill(['IDAT', Buffer.alloc(0)]), plain, END], EITHER),
    of('of palette colours without a palette', () => [header({ colour: 3, depth: 8 }), ['IDAT', pngPixels(width, height)], END], BROKEN),
    of('of a palette of 257', () => [header({ colour: 3 }), ['PLTE', Buffer.alloc(771)], indexed(width, height), END], BROKEN),
    of(
      'of a palette of one and indices beyond',
      () => [header({ colour: 3 }), ['PLTE', Buffer.alloc(3)], indexed(width, height), END],
      EITHER,
    ),
    with_('a transparency longer than it may be', () => [['tRNS', Buffer.alloc(4000)]], EITHER),
    with_('an unknown chunk that must be understood', () => [['ABCD', Buffer.alloc(10)]], EITHER),
    with_('a gamma of zero', () => [['gAMA', Buffer.alloc(4)]], EITHER),
    with_('20,000 texts', () => Array<Chunk>(20_000).fill(['tEXt', Buffer.from('Comment\0x')]), EITHER),
    with_('a text of 8 MB', () => [['tEXt', Buffer.concat([Buffer.from('Comment\0'), Buffer.alloc(8_000_000, 65)])]], EITHER),
    with_('a text that inflates to 1 GB', () => [['zTXt', Buffer.concat([Buffer.from('Comment\0\0'), zeros(1e9)])]], EITHER),
    with_(
      'thirty texts that inflate to 100 MB each',
      () => Array<Chunk>(30).fill(['zTXt', Buffer.concat([Buffer.from('C\0\0'), zeros(1e8)])]),
      EITHER,
    ),
    with_('a profile that inflates to 1 GB', () => [['iCCP', Buffer.concat([Buffer.from('icc\0\0'), zeros(1e9)])]], EITHER),
    with_('a profile of noise', () => [['iCCP', Buffer.concat([Buffer.from('icc\0\0'), deflateSync(Buffer.alloc(3000, 0x5a))])]], EITHER),
    with_(
      'a profile that lies about itself',
      () => [['iCCP', Buffer.concat([Buffer.from('icc\0\0'), deflateSync(lyingProfile())])]],
      EITHER,
    ),
    with_('EXIF whose directories go round', () => [['eXIf', roundExif()]], EITHER),
    with_('EXIF of noise', () => [['eXIf', Buffer.alloc(60_000, 0xee)]], EITHER),
    with_('an animation', () => [['acTL', Buffer.from([0, 0, 0, 9, 0, 0, 0, 0])]], ['animated-image']),
    upload('PNG chunk of 4 GB', () => longChunk(0xffffffff), BROKEN),
    upload('PNG chunk of 2 GB', () => longChunk(0x7fffffff), BROKEN),
    upload('PNG bomb: 196 MP of one colour, 24 bits', () => flat(14_000, 14_000, { colour: 2 }), ['too-many-pixels']),
    upload('PNG bomb: 196 MP of one colour, 1 bit', () => flat(14_000, 14_000, { colour: 0, depth: 1 }), ['too-many-pixels']),
    upload('PNG bomb: 81 MP of one colour', () => flat(9000, 9000, { colour: 2 }), ['output-too-large']),
    upload('PNG bomb: 90 MP of 16 bits with alpha', () => flat(9500, 9500, { colour: 6, depth: 16 }), ['output-too-large']),
    upload('PNG bomb: one row of 200,000', () => flat(200_000, 1, { colour: 2 }), FINE),
    upload('PNG bomb: 12×8 that inflates to 2 GB', () => png([header(), ['IDAT', zeros(2e9)], END]), EITHER),
  ]
}

interface Fields {
  width: number
  height: number
  depth: number
  colour: number
  compression: number
  filter: number
  interlace: number
}

function ihdr({ width, height, depth = 8, colour = 2, compression = 0, filter = 0, interlace = 0 }: Partial<Fields>): Buffer {
  const body = pngHeader(width!, height!)
  body.set([depth, colour, compression, filter, interlace], 8)
  return body
}

const indexed = (width: number, height: number): Chunk => [
  'IDAT',
  deflateSync(Buffer.alloc((width + 1) * height, 200).map((v, i) => (i % (width + 1) === 0 ? 0 : v))),
]

function pieces(bytes: Buffer): Chunk[] {
  const size = Math.max(1, Math.ceil(bytes.length / 1000))
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i): Chunk => ['IDAT', bytes.subarray(i * size, (i + 1) * size)])
}

/** A whole picture of zeros. */
function flat(width: number, height: number, about: Partial<Fields>): Buffer {
  const { depth = 8, colour = 2 } = about
  const channels = { 0: 1, 2: 3, 6: 4 }[colour]!
  return png([['IHDR', ihdr({ width, height, ...about })], ['IDAT', zeros((Math.ceil((width * channels * depth) / 8) + 1) * height)], END])
}

/**
 * At least so many zero bytes as a zlib stream (RFC 1950), made without deflating them: after a full flush, a million more of them are
 * always the same bytes.
 */
export function zeros(count: number): Buffer {
  const block = deflateRawSync(Buffer.alloc(MILLION), { finishFlush: constants.Z_FULL_FLUSH })
  const blocks = Math.ceil(count / MILLION)
  const sum = Buffer.alloc(4)
  // Adler-32 of zeros: 1, and as often added as there are bytes.
  sum.writeUInt32BE(((((blocks * MILLION) % 65_521) << 16) | 1) >>> 0)
  return Buffer.concat([Buffer.from([0x78, 0x9c]), ...Array<Buffer>(blocks).fill(block), deflateRawSync(Buffer.alloc(0)), sum])
}

const MILLION = 1_000_000

function longChunk(length: number): Buffer {
  const whole = png([['IHDR', ihdr({ width: 12, height: 8 })], ['IDAT', pngPixels(12, 8)], END])
  whole.writeUInt32BE(length, 33)
  return whole
}

/** https://www.color.org/specification/ICC.1-2022-05.pdf, 7.2: a header, then the number of tags and where they lie. */
export function lyingProfile(): Buffer {
  const profile = Buffer.alloc(400)
  profile.writeUInt32BE(0xfffffff0, 0)
  profile.write('mntrRGB XYZ ', 12, 'latin1')
  profile.write('acsp', 36, 'latin1')
  profile.writeUInt32BE(0x0fffffff, 128)
  for (let at = 132; at + 12 <= profile.length; at += 12) {
    profile.write('rXYZ', at, 'latin1')
    profile.writeUInt32BE(0xfffffff0, at + 4)
    profile.writeUInt32BE(0xffffffff, at + 8)
  }
  return profile
}

/** TIFF 6.0, section 2: a directory that names itself as the next one, as EXIF's and as GPS's. */
export function roundExif(): Buffer {
  const exif = Buffer.alloc(8 + 2 + 3 * 12 + 4)
  exif.write('II*\0', 0, 'latin1')
  exif.writeUInt32LE(8, 4)
  exif.writeUInt16LE(3, 8)
  for (const [i, tag] of [0x8769, 0x8825, 0xa005].entries()) {
    const at = 10 + 12 * i
    exif.writeUInt16LE(tag, at)
    exif.writeUInt16LE(4, at + 2)
    exif.writeUInt32LE(1, at + 4)
    exif.writeUInt32LE(8, at + 8)
  }
  exif.writeUInt32LE(8, exif.length - 4)
  return exif
}
