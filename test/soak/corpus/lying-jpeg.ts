import { raw } from '../../infer/pictures.js'
import { drawPhoto } from '../../support/draw.js'
import { BROKEN, EITHER, type Hostile, type Right, upload } from './hostile.js'
import { lyingProfile, roundExif } from './lying-png.js'

/** JPEG files whose segments lie. ITU-T T.81, annex B. */
export async function lyingJpegs(): Promise<Hostile[]> {
  const plain = await raw(drawPhoto(24, 16)).jpeg().toBuffer()
  const progressive = await raw(drawPhoto(24, 16)).jpeg({ progressive: true }).toBuffer()
  const frame = plain.indexOf(Buffer.from([0xff, 0xc0]))
  /** In the frame header: marker, length, precision, height, width, components, then three bytes for each. */
  const lie = (name: string, change: (bytes: Buffer, frame: number) => void, right: readonly Right[]): Hostile => {
    const bytes = () => {
      const out = Buffer.from(plain)
      change(out, frame)
      return out
    }
    return upload(`JPEG ${name}`, bytes, right, 'lie.jpg')
  }
  const size = (width: number, height: number, right: readonly Right[]): Hostile =>
    lie(
      `of ${width}×${height}`,
      (out, at) => {
        out.writeUInt16BE(height, at + 5)
        out.writeUInt16BE(width, at + 7)
      },
      right,
    )
  const with_ = (name: string, segments: () => Buffer[], right: readonly Right[]): Hostile =>
    upload(`JPEG with ${name}`, () => Buffer.concat([plain.subarray(0, 2), ...segments(), plain.subarray(2)]), right, 'with.jpg')

  return [
    size(0, 16, BROKEN),
    size(24, 0, BROKEN),
    size(65_535, 65_535, ['too-many-pixels', 'broken-image']),
    size(65_500, 65_500, ['too-many-pixels']),
    size(65_500, 1500, ['output-too-large']),
    size(600, 600, EITHER),
    lie('of 12 bits', (out, at) => out.writeUInt8(12, at + 4), EITHER),
    lie('of no components', (out, at) => out.writeUInt8(0, at + 9), BROKEN),
    lie('of 255 components', (out, at) => out.writeUInt8(255, at + 9), BROKEN),
    lie('whose samples are none', (out, at) => out.writeUInt8(0, at + 11), BROKEN),
    lie('whose samples are 15×15', (out, at) => out.writeUInt8(0xff, at + 11), BROKEN),
    lie('with a table that is not there', (out, at) => out.writeUInt8(3, at + 12), BROKEN),
    lie('of three equal components', (out, at) => out.writeUInt8(1, at + 13), EITHER),
    lie('of arithmetic coding', (out, at) => out.writeUInt8(0xc9, at + 1), EITHER),
    lie('without loss', (out, at) => out.writeUInt8(0xc3, at + 1), BROKEN),
    lie('of a hierarchy', (out, at) => out.writeUInt8(0xc5, at + 1), BROKEN),
    lie('whose frame is of no bytes', (out, at) => out.writeUInt16BE(0, at + 2), BROKEN),
    lie('whose frame is of 64 kB', (out, at) => out.writeUInt16BE(0xffff, at + 2), BROKEN),
    lie('without a frame', (out, at) => out.writeUInt8(0xfe, at + 1), BROKEN),
    lie('that ends before its pixels', (out, at) => out.writeUInt8(0xd9, at + 1), BROKEN),
    lie(
      'with a broken Huffman table',
      out => void out.fill(0xff, out.indexOf(Buffer.from([0xff, 0xc4])) + 5, out.indexOf(Buffer.from([0xff, 0xc4])) + 15),
      BROKEN,
    ),
    lie(
      'whose quantities are zero',
      out => void out.fill(0, out.indexOf(Buffer.from([0xff, 0xdb])) + 5, out.indexOf(Buffer.from([0xff, 0xdb])) + 60),
      EITHER,
    ),
    upload('JPEG of a thousand scans', () => manyScans(progressive, 1000), EITHER, 'scans.jpg'),
    upload('JPEG of 20,000 scans', () => manyScans(progressive, 20_000), EITHER, 'scans.jpg'),
    upload('JPEG of two starts', () => Buffer.concat([plain.subarray(0, 2), plain]), EITHER, 'two.jpg'),
    upload('JPEG and another behind it', () => Buffer.concat([plain, plain]), EITHER, 'two.jpg'),
    upload(
      'JPEG of fill bytes',
      () => Buffer.concat([plain.subarray(0, 2), Buffer.alloc(4_000_000, 0xff), plain.subarray(2)]),
      EITHER,
      'fill.jpg',
    ),
    with_('a segment of length 0', () => [Buffer.from([0xff, 0xe1, 0, 0])], EITHER),
    with_('a segment of length 1', () => [Buffer.from([0xff, 0xe1, 0, 1])], EITHER),
    with_('EXIF whose directories go round', () => [app(1, Buffer.concat([Buffer.from('Exif\0\0'), roundExif()]))], EITHER),
    with_('EXIF of noise', () => [app(1, Buffer.concat([Buffer.from('Exif\0\0II*\0'), Buffer.alloc(60_000, 0xee)]))], EITHER),
    with_(
      'EXIF of 65,535 entries',
      () => [app(1, Buffer.concat([Buffer.from('Exif\0\0II*\0\x08\0\0\0\xff\xff', 'latin1'), Buffer.alloc(60_000, 1)]))],
      EITHER,
    ),
    with_('a hundred EXIFs', () => Array<Buffer>(100).fill(app(1, Buffer.concat([Buffer.from('Exif\0\0'), Buffer.alloc(60_000)]))), EITHER),
    with_('XMP that names itself a billion times', () => [app(1, Buffer.from(`http://ns.adobe.com/xap/1.0/\0${laughs()}`))], EITHER),
    with_(
      'a profile that lies about itself',
      () => [app(2, Buffer.concat([Buffer.from('ICC_PROFILE\0\x01\x01', 'latin1'), lyingProfile()]))],
      EITHER,
    ),
    with_(
      'the 9th of 3 pieces of a profile',
      () => [app(2, Buffer.concat([Buffer.from('ICC_PROFILE\0\x09\x03', 'latin1'), lyingProfile()]))],
      EITHER,
    ),
    with_(
      '255 pieces of a profile, 15 MB',
      () =>
        Array.from({ length: 255 }, (_, i) =>
          app(2, Buffer.concat([Buffer.from('ICC_PROFILE\0'), Buffer.from([i + 1, 255]), Buffer.alloc(60_000, i)])),
        ),
      EITHER,
    ),
    with_(
      'a thousand comments',
      () => Array<Buffer>(1000).fill(Buffer.concat([Buffer.from([0xff, 0xfe, 0x10, 0x02]), Buffer.alloc(4096, 65)])),
      EITHER,
    ),
    with_('Adobe colours of an unknown kind', () => [app(14, Buffer.from('Adobe\0d\0\0\0\0\x09', 'latin1'))], EITHER),
  ]
}

const app = (number: number, body: Buffer): Buffer => {
  const head = Buffer.from([0xff, 0xe0 + number, 0, 0])
  head.writeUInt16BE(Math.min(0xffff, body.length + 2), 2)
  return Buffer.concat([head, body.subarray(0, 0xffff - 2)])
}

/** The last scan again and again: each is a pass over all coefficients. */
function manyScans(file: Buffer, count: number): Buffer {
  const last = file.lastIndexOf(Buffer.from([0xff, 0xda]))
  const scan = file.subarray(last, file.length - 2)
  return Buffer.concat([file.subarray(0, last), ...Array<Buffer>(count).fill(scan), file.subarray(-2)])
}

function laughs(): string {
  const entities = Array.from({ length: 9 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`)
  return `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">${entities.join('')}]><x>&l9;</x>`
}
