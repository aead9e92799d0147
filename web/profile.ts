import type { Image } from '../image/image.js'

/** Puts an ICC profile into a JPEG or WebP file that a canvas has encoded (PNG: see png.ts). The pixels stay as they are. */

type Bytes = Uint8Array<ArrayBuffer>

/** Bytes 16 to 20 of a profile name the space of its pixels. https://www.color.org/specification/ICC.1-2022-05.pdf table 17 */
export function isRgbProfile(profile: Uint8Array): boolean {
  return String.fromCharCode(...profile.subarray(16, 20)) === 'RGB '
}

export async function attachProfile(blob: Blob, image: Image, profile: Bytes): Promise<Blob> {
  const bytes = new Uint8Array(await blob.arrayBuffer())
  const parts = blob.type === 'image/jpeg' ? jpegParts(bytes, profile) : webpParts(bytes, image, profile)
  return new Blob(parts, { type: blob.type })
}

// Segments hold 65,535 bytes with their own length, name and numbers, so long profiles are cut.
function jpegParts(bytes: Bytes, profile: Bytes): Bytes[] {
  const most = 65_519
  const count = Math.ceil(profile.length / most)
  const name = Array.from('ICC_PROFILE\0', letter => letter.charCodeAt(0))
  const segments = Array.from({ length: count }, (_, i) => {
    const data = profile.subarray(i * most, (i + 1) * most)
    const length = data.length + 16
    return new Uint8Array([0xff, 0xe2, length >> 8, length & 255, ...name, i + 1, count, ...data])
  })
  // The segment that a canvas writes first is JFIF's, whose place is right after the start of the file. ITU-T T.871 10.1
  const [jfif, ...others] = withoutApp2(bytes)
  return [bytes.subarray(0, 2), jfif!, ...segments, ...others]
}

// The canvas attaches a profile of its own (sRGB), which is not what these pixels mean.
function withoutApp2(bytes: Bytes): Bytes[] {
  const kept: Bytes[] = []
  let at = 2
  while (bytes[at + 1] !== 0xda) {
    const end = at + 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!)
    if (bytes[at + 1] !== 0xe2) kept.push(bytes.subarray(at, end))
    at = end
  }
  return [...kept, bytes.subarray(at)]
}

// RIFF header, VP8X (flags, size), ICCP, then the other chunks that were there.
function webpParts(bytes: Bytes, { width, height, channels }: Image, profile: Bytes): Bytes[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const kept: Bytes[] = []
  for (let at = 12; at + 8 <= bytes.length; ) {
    const end = at + 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) & 1)
    if (!['VP8X', 'ICCP'].includes(String.fromCharCode(...bytes.subarray(at, at + 4)))) kept.push(bytes.subarray(at, end))
    at = end
  }
  const alpha = channels === 2 || channels === 4 ? 0x10 : 0
  const u24 = (value: number) => [value & 255, (value >> 8) & 255, value >> 16]
  const extended = riffChunk('VP8X', new Uint8Array([0x20 | alpha, 0, 0, 0, ...u24(width - 1), ...u24(height - 1)]))
  const chunks = [extended, riffChunk('ICCP', profile), ...kept]
  const header = bytes.slice(0, 12)
  new DataView(header.buffer).setUint32(4, 4 + chunks.reduce((sum, chunk) => sum + chunk.length, 0), true)
  return [header, ...chunks]
}

function riffChunk(name: string, data: Bytes): Bytes {
  const out = new Uint8Array(8 + data.length + (data.length & 1))
  for (let i = 0; i < 4; i++) out[i] = name.charCodeAt(i)
  new DataView(out.buffer).setUint32(4, data.length, true)
  out.set(data, 8)
  return out
}
