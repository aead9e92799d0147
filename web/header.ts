import { UprezError } from '../errors.js'

/** What a file says about itself before a pixel is decoded. */
export interface Header {
  format: 'png' | 'jpg' | 'webp' | 'avif'
  /** As stored, before any orientation; null where the header does not tell. */
  size: { width: number; height: number } | null
  grey: boolean
  alpha: boolean
  /** ICC profile, unpacked. */
  profile: Uint8Array<ArrayBuffer> | null
}

/**
 * Reads the header of a PNG, JPEG, WebP or AVIF file.
 * @throws UprezError `empty-image`, `not-an-image`, `unsupported-format`, `animated-image`, `broken-image`
 */
export async function readHeader(bytes: Bytes): Promise<Header> {
  if (bytes.length === 0)
    throw new UprezError('empty-image', 'The image has no bytes.', { param: 'image', expected: expectedFormats, got: '0 bytes' })
  try {
    if (text(bytes, 1, 3) === 'PNG') return await readPng(bytes)
    if (bytes[0] === 0xff && bytes[1] === 0xd8) return readJpeg(bytes)
    if (text(bytes, 0, 4) === 'RIFF' && text(bytes, 8, 4) === 'WEBP') return readWebp(bytes)
    if (text(bytes, 4, 4) === 'ftyp') {
      const brands = brandsOf(bytes)
      if (brands[0] === 'avis') throw animated('AVIF')
      if (brands.includes('avif')) return readAvif(bytes)
    }
  } catch (cause) {
    if (cause instanceof UprezError) throw cause
    throw brokenImage(cause)
  }
  throw refusal(bytes)
}

export const brokenImage = (cause?: unknown) =>
  new UprezError('broken-image', 'The image is damaged or incomplete.', { param: 'image', expected: 'a complete image file', cause })

type Bytes = Uint8Array<ArrayBuffer>

const expectedFormats = 'a PNG, JPEG, WebP or AVIF file'

// https://www.w3.org/TR/png-3/#5Chunk-layout: length, name, data, CRC
async function readPng(bytes: Bytes): Promise<Header> {
  const view = viewOf(bytes)
  const colourType = view.getUint8(25)
  const header: Header = {
    format: 'png',
    size: { width: view.getUint32(16), height: view.getUint32(20) },
    grey: colourType === 0 || colourType === 4,
    alpha: colourType >= 4,
    profile: null,
  }
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const data = bytes.subarray(at + 8, at + 8 + view.getUint32(at))
    const name = text(bytes, at + 4, 4)
    if (name === 'acTL' && viewOf(data).getUint32(0) > 1) throw animated('APNG')
    if (name === 'tRNS') header.alpha = true
    if (name === 'iCCP') header.profile = await unpackProfile(data.slice(data.indexOf(0) + 2))
    if (name === 'IDAT') break
  }
  return header
}

// https://www.w3.org/Graphics/JPEG/itu-t81.pdf B.1.1: FF, marker, length (its own two bytes included), data
function readJpeg(bytes: Bytes): Header {
  const view = viewOf(bytes)
  const parts: { index: number; data: Bytes }[] = []
  const header: Header = { format: 'jpg', size: null, grey: false, alpha: false, profile: null }
  for (let at = 2; at + 4 <= bytes.length; at += 2 + view.getUint16(at + 2)) {
    while (view.getUint8(at + 1) === 0xff) at++
    const marker = view.getUint8(at + 1)
    const end = at + 2 + view.getUint16(at + 2)
    if (marker === 0xda) break
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      header.size = { height: view.getUint16(at + 5), width: view.getUint16(at + 7) }
      header.grey = view.getUint8(at + 9) === 1
    }
    // A profile may be cut into segments: "ICC_PROFILE\0", number of this one, how many, data
    if (marker === 0xe2 && text(bytes, at + 4, 11) === 'ICC_PROFILE')
      parts.push({ index: view.getUint8(at + 16), data: bytes.subarray(at + 18, end) })
  }
  if (header.size === null) throw brokenImage()
  if (parts.length > 0) header.profile = join(parts.sort((a, b) => a.index - b.index).map(part => part.data))
  return header
}

// https://developers.google.com/speed/webp/docs/riff_container
function readWebp(bytes: Bytes): Header {
  const view = viewOf(bytes)
  const u24 = (at: number) => view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
  const header: Header = { format: 'webp', size: null, grey: false, alpha: false, profile: null }
  for (let at = 12; at + 8 <= bytes.length; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) & 1)) {
    const name = text(bytes, at, 4)
    const data = at + 8
    if (name === 'VP8X') {
      const flags = view.getUint8(data)
      if (flags & 0x02) throw animated('WebP')
      header.alpha = (flags & 0x10) !== 0
      header.size = { width: u24(data + 4) + 1, height: u24(data + 7) + 1 }
    }
    if (name === 'VP8 ') header.size ??= { width: view.getUint16(data + 6, true) & 0x3fff, height: view.getUint16(data + 8, true) & 0x3fff }
    if (name === 'VP8L') {
      const bits = view.getUint32(data + 1, true)
      header.size ??= { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
      header.alpha ||= ((bits >>> 28) & 1) === 1
    }
    if (name === 'ICCP') header.profile = bytes.slice(data, data + view.getUint32(at + 4, true))
  }
  if (header.size === null) throw brokenImage()
  return header
}

// ISO 14496-12 boxes, found by name: `ispe` (size of an item; the largest is the picture), `colr` of type prof, `auxC` for alpha
function readAvif(bytes: Bytes): Header {
  const view = viewOf(bytes)
  const header: Header = { format: 'avif', size: null, grey: false, alpha: false, profile: null }
  const end = Math.min(bytes.length - 16, 1 << 20)
  for (let at = 4; at < end; at++) {
    const name = text(bytes, at, 4)
    if (name === 'mdat') break
    if (name === 'ispe') {
      const size = { width: view.getUint32(at + 8), height: view.getUint32(at + 12) }
      if (header.size === null || size.width * size.height > header.size.width * header.size.height) header.size = size
    }
    if (name === 'auxC' && text(bytes, at + 8, 64).includes('alpha')) header.alpha = true
    if (name === 'colr' && text(bytes, at + 4, 4) === 'prof') header.profile = bytes.slice(at + 8, at - 4 + view.getUint32(at - 4))
  }
  return header
}

/** Major brand first, then the compatible ones. https://mp4ra.org/registered-types/brands */
function brandsOf(bytes: Bytes): string[] {
  const brands = [text(bytes, 8, 4)]
  const end = Math.min(bytes.length, viewOf(bytes).getUint32(0), 256)
  for (let at = 16; at + 4 <= end; at += 4) brands.push(text(bytes, at, 4))
  return brands
}

function refusal(bytes: Bytes): UprezError {
  const start = text(bytes, 0, 256)
  const known = [
    [/^GIF8/, 'GIF'],
    [/^BM/, 'BMP'],
    [/^(II\*\0|MM\0\*)/, 'TIFF'],
    [/^....ftyp(hei|mif|hev|msf)/s, 'HEIC'],
    [/^....JXL |^\xff\n/s, 'JPEG XL'],
    [/^(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg/s, 'SVG'],
  ] as const
  const got = known.find(([pattern]) => pattern.test(start))?.[1]
  if (got === undefined)
    return new UprezError('not-an-image', `This is not an image: expected ${expectedFormats}.`, {
      param: 'image',
      expected: expectedFormats,
    })
  return new UprezError('unsupported-format', `${got} is not supported: expected ${expectedFormats}.`, {
    param: 'image',
    expected: expectedFormats,
    got,
  })
}

const animated = (got: string) =>
  new UprezError('animated-image', `Animated pictures are not supported: expected one picture, got an animated ${got}.`, {
    param: 'image',
    expected: 'one picture',
    got,
  })

const viewOf = (bytes: Bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const text = (bytes: Bytes, at: number, length: number) => String.fromCharCode(...bytes.subarray(at, at + length))

/** Real profiles have up to a few megabytes; what unpacks to more is none, and null. */
async function unpackProfile(data: Bytes): Promise<Bytes | null> {
  const most = 1 << 24
  const parts: Bytes[] = []
  let length = 0
  const reader = new Blob([data]).stream().pipeThrough(new DecompressionStream('deflate')).getReader()
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value)
      length += part.value.length
      if (length > most) return null
    }
  } catch {
    return null
  } finally {
    reader.cancel().catch(() => {})
  }
  return join(parts)
}

function join(parts: Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
