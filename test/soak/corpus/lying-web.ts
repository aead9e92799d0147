import { sharp } from '../../../infer/sharp.js'
import { raw } from '../../infer/pictures.js'
import { drawAlpha, drawPhoto } from '../../support/draw.js'
import { BROKEN, EITHER, FINE, type Hostile, type Right, upload } from './hostile.js'
import { lyingProfile, roundExif } from './lying-png.js'

/** WebP files whose chunks lie. RFC 9649 */
export async function lyingWebps(): Promise<Hostile[]> {
  const lossy = (await raw(drawPhoto(24, 16)).webp().toBuffer()).subarray(12)
  const lossless = (await raw(drawPhoto(24, 16)).webp({ lossless: true }).toBuffer()).subarray(12)
  const of = (name: string, bytes: () => Uint8Array | Promise<Uint8Array>, right: readonly Right[]): Hostile =>
    upload(`WebP ${name}`, bytes, right, 'lie.webp')
  const lie = (name: string, from: Buffer, change: (out: Buffer) => void, right: readonly Right[]): Hostile =>
    of(
      name,
      () => {
        const out = riff(from)
        change(out)
        return out
      },
      right,
    )
  /** In a file of one chunk: RIFF, size, WEBP, tag, size, and at 20 the chunk's body. */
  return [
    lie('that is fine', lossy, () => {}, FINE),
    lie('whose file has no bytes', lossy, out => out.writeUInt32LE(0, 4), BROKEN),
    lie('whose file has 4 GB', lossy, out => out.writeUInt32LE(0xffffffff, 4), EITHER),
    lie('whose chunk has no bytes', lossy, out => out.writeUInt32LE(0, 16), BROKEN),
    lie('whose chunk has 4 GB', lossy, out => out.writeUInt32LE(0xffffffff, 16), BROKEN),
    lie('of 16383×16383', lossy, out => out.writeUInt32LE(0x3fff3fff, 26), ['too-many-pixels']),
    lie('of 9000×9000', lossy, out => out.writeUInt32LE(9000 | (9000 << 16), 26), ['output-too-large', 'broken-image']),
    lie('of no width', lossy, out => out.writeUInt16LE(0, 26), BROKEN),
    lie('of no key frame', lossy, out => out.writeUInt8(out[20]! | 1, 20), BROKEN),
    lie('of a first partition beyond the end', lossy, out => out.writeUInt8(0xff, 22), BROKEN),
    lie('without loss, of 16384×16384', lossless, out => out.writeUInt32LE(0x0fffffff, 21), BROKEN),
    lie('without loss, of another version', lossless, out => out.writeUInt8(0xf0 | out[24]!, 24), BROKEN),
    lie('without loss and without its sign', lossless, out => out.writeUInt8(0, 20), BROKEN),
    lie('without loss, of noise', lossless, out => void out.fill(0xc3, 25), EITHER),
    of('of a canvas of 16777216×16777216', () => riff(extended(0, 2 ** 24, 2 ** 24), lossy), ['too-many-pixels', 'broken-image']),
    of('of a canvas that is not the picture', () => riff(extended(0, 4000, 4000), lossy), ['broken-image', 200]),
    of('that says it is an animation', () => riff(extended(0x02, 24, 16), lossy), ['broken-image', 'animated-image', 200]),
    of('with a profile of noise', () => riff(extended(0x20, 24, 16), chunk('ICCP', Buffer.alloc(5000, 0x5a)), lossy), EITHER),
    of('with a profile that lies about itself', () => riff(extended(0x20, 24, 16), chunk('ICCP', lyingProfile()), lossy), EITHER),
    of('with EXIF whose directories go round', () => riff(extended(0x08, 24, 16), lossy, chunk('EXIF', roundExif())), EITHER),
    of('with EXIF of 20 MB', () => riff(extended(0x08, 24, 16), lossy, chunk('EXIF', Buffer.alloc(20_000_000))), EITHER),
    of(
      'with 100,000 empty chunks',
      () => riff(extended(0, 24, 16), ...Array<Buffer>(100_000).fill(chunk('XXXX', Buffer.alloc(0))), lossy),
      EITHER,
    ),
    of('of two pictures', () => riff(lossy, lossy), EITHER),
    of('with transparency of noise', () => riff(extended(0x10, 24, 16), chunk('ALPH', Buffer.alloc(300, 0xfd)), lossy), EITHER),
    of('of 300 frames', () => animation(300), ['animated-image']),
    of('without a chunk', () => riff(), BROKEN),
  ]
}

function riff(...chunks: Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from('WEBP'), ...chunks])
  const head = Buffer.from('RIFF\0\0\0\0')
  head.writeUInt32LE(body.length, 4)
  return Buffer.concat([head, body])
}

function chunk(tag: string, body: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.write(tag, 'latin1')
  head.writeUInt32LE(body.length, 4)
  return Buffer.concat([head, body, Buffer.alloc(body.length % 2)])
}

function extended(flags: number, width: number, height: number): Buffer {
  const body = Buffer.alloc(10)
  body.writeUInt8(flags, 0)
  body.writeUIntLE(width - 1, 4, 3)
  body.writeUIntLE(height - 1, 7, 3)
  return chunk('VP8X', body)
}

function animation(frames: number): Promise<Buffer> {
  const { data } = drawPhoto(4, 4 * frames)
  return sharp(data, { raw: { width: 4, height: 4 * frames, channels: 3, pageHeight: 4 } })
    .webp({ loop: 0, delay: Array<number>(frames).fill(20) })
    .toBuffer()
}

/** AVIF files whose boxes lie. ISO/IEC 23008-12 */
export async function lyingAvifs(): Promise<Hostile[]> {
  const plain = await raw(drawPhoto(24, 16)).avif({ effort: 0 }).toBuffer()
  const alpha = await raw(drawAlpha(24, 16)).avif({ effort: 0 }).toBuffer()
  const lie = (name: string, change: (out: Buffer, at: (box: string) => number) => void, right: readonly Right[], from = plain): Hostile =>
    upload(
      `AVIF ${name}`,
      () => {
        const out = Buffer.from(from)
        // Where the box's name is; its length stands before, its body behind.
        change(out, box => out.indexOf(box, 0, 'latin1'))
        return out
      },
      right,
      'lie.avif',
    )
  const size = (box: string, bytes: number): Hostile =>
    lie(`whose box ${box} has ${bytes} bytes`, (out, at) => out.writeUInt32BE(bytes, at(box) - 4), [
      200,
      'broken-image',
      'not-an-image',
      'unsupported-format',
    ])
  return [
    ...['ftyp', 'meta', 'iloc', 'iinf', 'iprp', 'ispe', 'av1C', 'mdat'].flatMap(box => [size(box, 0), size(box, 0xffffffff)]),
    size('meta', 1),
    lie('of 65,535×65,535', (out, at) => out.fill(Buffer.from([0, 0, 0xff, 0xff]), at('ispe') + 8, at('ispe') + 16), [
      'too-many-pixels',
      'broken-image',
    ]),
    lie('of 2³²−1 pixels a side', (out, at) => void out.fill(0xff, at('ispe') + 8, at('ispe') + 16), ['too-many-pixels', 'broken-image']),
    lie('of no pixels', (out, at) => void out.fill(0, at('ispe') + 8, at('ispe') + 16), BROKEN),
    lie('of 9000×9000', (out, at) => out.fill(Buffer.from([0, 0, 0x23, 0x28]), at('ispe') + 8, at('ispe') + 16), [
      'output-too-large',
      'broken-image',
    ]),
    lie('whose codec is told wrong', (out, at) => void out.fill(0xff, at('av1C') + 4, at('av1C') + 8), EITHER),
    lie('whose pixels lie elsewhere', (out, at) => void out.fill(0xff, at('iloc') + 14, at('iloc') + 24), BROKEN),
    lie('without a main picture', (out, at) => void out.write('xxxx', at('pitm'), 'latin1'), BROKEN),
    lie('whose main picture is another', (out, at) => out.writeUInt16BE(0x7777, at('pitm') + 8), BROKEN),
    lie('of another codec', (out, at) => void out.write('hvc1', at('av01'), 'latin1'), BROKEN),
    lie('of pixels of noise', (out, at) => void out.fill(0x5a, at('mdat') + 4), BROKEN),
    lie('that says it is a sequence', (out, at) => void out.write('avis', at('ftyp') + 4, 'latin1'), ['animated-image']),
    lie('that says it is HEIC', (out, at) => void out.fill('heic', at('ftyp') + 4, at('meta') - 4), ['unsupported-format']),
    lie('whose transparency refers to itself', (out, at) => void out.fill(1, at('iref') + 8, at('iref') + 20), EITHER, alpha),
  ]
}
