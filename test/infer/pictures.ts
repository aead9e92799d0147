import { crc32, deflateSync } from 'node:zlib'
import type { Sharp } from 'sharp'
import sharp from 'sharp'
import type { Image, Pixels } from '../../image/image.js'

/** Files that the tests of infer/ feed in, drawn by code. */

/** sharp over pixels, as many channels as they have. */
export function raw({ data, width, height, channels }: Image<Pixels>): Sharp {
  const [grey, colour] = data instanceof Uint16Array ? ['grey16', 'rgb16'] : ['b-w', 'srgb']
  return sharp(data, { raw: { width, height, channels: channels as 1 | 2 | 3 | 4 } }).toColourspace(channels < 3 ? grey : colour)
}

/** A display profile as image editors write one: matrix and curves, unlike sRGB. */
export async function rgbProfile(): Promise<Buffer> {
  const withProfile = await sharp({ create: { width: 1, height: 1, channels: 3, background: 'red' } })
    .withIccProfile('p3')
    .png()
    .toBuffer()
  return (await sharp(withProfile).metadata()).icc!
}

/** Pixels as they are stored in a file, no profile applied. */
export async function pixelsOf(file: Uint8Array): Promise<Image> {
  const { data, info } = await sharp(file).keepIccProfile().raw().toBuffer({ resolveWithObject: true })
  return { data: new Uint8Array(data), width: info.width, height: info.height, channels: info.channels }
}

/** A PNG made of chunks, so that headers can lie. */
export function png(chunks: [type: string, body: Uint8Array][]): Buffer {
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks.map(([type, body]) => chunk(type, body))])
}

export function pngHeader(width: number, height: number): Buffer {
  const body = Buffer.alloc(13)
  body.writeUInt32BE(width, 0)
  body.writeUInt32BE(height, 4)
  body.set([8, 2, 0, 0, 0], 8)
  return body
}

export const pngPixels = (width: number, height: number): Buffer => deflateSync(Buffer.alloc((width * 3 + 1) * height))

function chunk(type: string, body: Uint8Array): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), body])
  const out = Buffer.alloc(typed.length + 8)
  out.writeUInt32BE(body.length, 0)
  typed.copy(out, 4)
  out.writeUInt32BE(crc32(typed), typed.length + 4)
  return out
}

/** PNG's chunks of a type, their bodies joined. */
export function pngChunks(file: Buffer, type: string): Buffer[] {
  const found: Buffer[] = []
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    if (file.toString('latin1', at + 4, at + 8) === type) found.push(file.subarray(at + 8, at + 8 + file.readUInt32BE(at)))
  }
  return found
}

export const XMP =
  '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>drawn</dc:title></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'

/** A TIFF of 8-bit grey pages, uncompressed: sharp writes several only of one size. TIFF 6.0, section 2 */
export function tiffOf(pages: readonly Image[]): Buffer {
  const parts = [Buffer.from('II*\0\x08\0\0\0', 'latin1')]
  let at = 8
  for (const [i, { data, width, height }] of pages.entries()) {
    const tags = [
      [256, width],
      [257, height],
      [258, 8],
      [259, 1],
      [262, 1],
      [273, at + 2 + 9 * 12 + 4],
      [277, 1],
      [278, height],
      [279, data.length],
    ] as const
    const directory = Buffer.alloc(2 + tags.length * 12 + 4)
    directory.writeUInt16LE(tags.length, 0)
    for (const [j, [tag, value]] of tags.entries()) {
      directory.writeUInt16LE(tag, 2 + j * 12)
      directory.writeUInt16LE(4, 4 + j * 12)
      directory.writeUInt32LE(1, 6 + j * 12)
      directory.writeUInt32LE(value, 10 + j * 12)
    }
    at += directory.length + data.length
    directory.writeUInt32LE(i === pages.length - 1 ? 0 : at, directory.length - 4)
    parts.push(directory, Buffer.from(data))
  }
  return Buffer.concat(parts)
}

/** The smallest profile of a grey picture: white point and a gamma of 1.8. ICC.1:2022 section 7, table 17 */
export function greyProfile(): Buffer {
  const profile = Buffer.alloc(128 + 4 + 2 * 12 + 20 + 16)
  profile.writeUInt32BE(profile.length, 0)
  profile.writeUInt32BE(0x02400000, 8)
  profile.write('mntrGRAYXYZ ', 12, 'latin1')
  profile.set([7, 232, 0, 1, 0, 1], 24)
  profile.write('acsp', 36, 'latin1')
  for (const [i, value] of [0xf6d6, 0x10000, 0xd32d].entries()) {
    profile.writeUInt32BE(value, 68 + i * 4)
    profile.writeUInt32BE(value, 128 + 4 + 24 + 8 + i * 4)
  }
  profile.writeUInt32BE(2, 128)
  const tags = [
    ['wtpt', 156, 20, 'XYZ '],
    ['kTRC', 176, 16, 'curv'],
  ] as const
  for (const [i, [name, offset, size, type]] of tags.entries()) {
    profile.write(name, 132 + i * 12, 'latin1')
    profile.writeUInt32BE(offset, 136 + i * 12)
    profile.writeUInt32BE(size, 140 + i * 12)
    profile.write(type, offset, 'latin1')
  }
  profile.writeUInt32BE(1, 184)
  profile.writeUInt16BE(0x01cd, 188)
  return profile
}
