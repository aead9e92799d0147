import { UprezError } from '../errors.js'

/** The formats that are read. */
export type InputFormat = 'png' | 'jpg' | 'webp' | 'avif' | 'tiff'

/** As many bytes as the headers of nearly all pictures lie in. */
export const HEAD_BYTES = 65_536

const EXPECTED = 'a PNG, JPEG, WebP, AVIF or TIFF picture'

/**
 * The format of a picture by its first bytes (`HEAD_BYTES` are plenty); names and declared types prove nothing.
 * @throws UprezError `empty-image`, `not-an-image`, `unsupported-format` naming what it is, `animated-image` for APNG and AVIF
 * sequences (the other formats' pages are counted by their decoder)
 */
export function sniff(head: Uint8Array): InputFormat {
  if (head.length === 0)
    throw new UprezError('empty-image', `Expected ${EXPECTED} but received no bytes`, {
      param: 'image',
      expected: EXPECTED,
      got: '0 bytes',
    })
  if (starts(head, '\x89PNG\r\n\x1a\n')) return isAnimatedPng(head) ? refuseAnimation('an animated PNG') : 'png'
  if (starts(head, '\xff\xd8\xff')) return 'jpg'
  if (starts(head, 'RIFF') && starts(head, 'WEBP', 8)) return 'webp'
  if (['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some(magic => starts(head, magic))) return 'tiff'
  if (starts(head, 'ftyp', 4)) {
    const brands = brandsOf(head)
    if (brands[0] === 'avis') return refuseAnimation('an AVIF sequence')
    if (brands.includes('avif')) return 'avif'
  }
  const other = FOREIGN.find(([, is]) => is(head))
  if (other)
    throw new UprezError('unsupported-format', `Expected ${EXPECTED} but received ${other[0]}`, {
      param: 'image',
      expected: EXPECTED,
      got: other[0],
    })
  throw new UprezError('not-an-image', `Expected ${EXPECTED} but received something else`, {
    param: 'image',
    expected: EXPECTED,
    got: describe(head),
  })
}

/** @throws UprezError `animated-image`: one of many frames is not what was sent, so none is taken */
export function refuseAnimation(got: string): never {
  const expected = 'a single picture'
  throw new UprezError('animated-image', `Expected ${expected} but received ${got}`, { param: 'image', expected, got })
}

/** What people send instead, so that the message can say so. */
const FOREIGN: [name: string, is: (head: Uint8Array) => boolean][] = [
  ['a GIF', head => starts(head, 'GIF8')],
  [
    'an SVG',
    head => /^\s*(<\?xml[^>]*>\s*|<!--[\s\S]*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>/]/i.test(text(head).replace(/^\ufeff|^ï»¿/, '')),
  ],
  ['a HEIC picture', head => starts(head, 'ftyp', 4) && brandsOf(head).some(brand => /^(hei[cxms]|hev[cx]|mif1|msf1)$/.test(brand))],
  ['a JPEG XL picture', head => starts(head, '\xff\x0a') || starts(head, '\0\0\0\x0cJXL ')],
  ['a JPEG 2000 picture', head => starts(head, '\0\0\0\x0cjP  ') || starts(head, '\xff\x4f\xff\x51')],
  ['a BMP', head => starts(head, 'BM') && head.length > 26 && head[14]! >= 12 && head[15] === 0],
  ['a Photoshop document', head => starts(head, '8BPS')],
  ['an icon', head => starts(head, '\0\0\x01\0')],
  ['a PDF', head => starts(head, '%PDF-')],
]

const starts = (head: Uint8Array, magic: string, at = 0): boolean =>
  head.length >= at + magic.length && Array.from(magic).every((char, i) => head[at + i] === char.charCodeAt(0))

const text = (head: Uint8Array): string => Buffer.from(head.buffer, head.byteOffset, Math.min(head.length, 4096)).toString('latin1')

/** Major brand first, then the compatible ones. https://mp4ra.org/registered-types/brands */
function brandsOf(head: Uint8Array): string[] {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length)
  const end = Math.min(bytes.length, bytes.readUInt32BE(0), 256)
  const brands = [bytes.toString('latin1', 8, 12)]
  for (let at = 16; at + 4 <= end; at += 4) brands.push(bytes.toString('latin1', at, at + 4))
  return brands
}

/** An acTL chunk before the first IDAT. https://www.w3.org/TR/png-3/#11acTL */
function isAnimatedPng(head: Uint8Array): boolean {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length)
  for (let at = 8; at + 8 <= bytes.length; ) {
    const type = bytes.toString('latin1', at + 4, at + 8)
    if (type === 'acTL') return true
    if (type === 'IDAT') return false
    at += 12 + bytes.readUInt32BE(at)
  }
  return false
}

function describe(head: Uint8Array): string {
  const shown = text(head.subarray(0, 16))
  return /^[\x20-\x7e\s]+$/.test(shown) ? `text: ${JSON.stringify(shown)}` : `bytes: ${Buffer.from(head.subarray(0, 8)).toString('hex')}`
}
