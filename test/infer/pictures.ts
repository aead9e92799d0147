import { crc32, deflateSync } from 'node:zlib'
import type { Sharp } from 'sharp'
import sharp from 'sharp'
import type { Image } from '../../image/image.js'

/** Files that the tests of infer/ feed in, drawn by code. */

/** sharp over pixels, as many channels as they have. */
export function raw({ data, width, height, channels }: Image): Sharp {
  return sharp(data, { raw: { width, height, channels: channels as 1 | 2 | 3 | 4 } }).toColourspace(channels < 3 ? 'b-w' : 'srgb')
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
