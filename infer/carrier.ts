import { crc32, deflateSync } from 'node:zlib'
import type { Sharp } from 'sharp'
import type { Image, Pixels } from '../image/image.js'
import type { Attached } from './files.js'
import type { Depth } from './job.js'
import { sharp } from './sharp.js'

/**
 * Pixels with a profile, EXIF and XMP attached, ready to be encoded.
 *
 * sharp attaches metadata to nothing but what it decoded, and given a profile for raw pixels it converts them. So a black
 * PNG of one pixel carries the metadata in; grown to the right size and OR-ed with the pixels (0 | x = x) it is the picture.
 * That costs nothing measurable, unlike a carrier that holds the pixels themselves.
 */
export function imageWith(image: Image<Pixels>, attached: Attached): Sharp {
  const { data, width, height, channels } = image
  const raw = { width, height, channels: channels as 1 | 2 | 3 | 4 }
  const deep = data instanceof Uint16Array
  const space = channels < 3 ? (deep ? 'grey16' : 'b-w') : deep ? 'rgb16' : 'srgb'
  const { icc, exif, xmp, density } = attached
  if (!icc && !exif && !xmp) return sharp(data, { raw, limitInputPixels: false }).toColourspace(space)
  const black = channels % 2 === 0 ? { r: 0, g: 0, b: 0, alpha: 0 } : { r: 0, g: 0, b: 0 }
  const carried = sharp(carrier(channels, deep ? 16 : 8, attached), { limitInputPixels: false })
    .extend({ right: width - 1, bottom: height - 1, background: black })
    .boolean(data as Uint8Array as Buffer, 'or', { raw })
    .toColourspace(space)
    .keepIccProfile()
    .keepXmp()
  // libvips writes the density into the EXIF data as well; 72 is what they are to say where it is unknown.
  return exif ? carried.withExifMerge({ IFD0: { Orientation: '1' } }).withDensity(density ?? 72) : carried
}

/** A PNG of one black (transparent, if it can be) pixel. https://www.w3.org/TR/png-3/#11Chunks */
function carrier(channels: number, depth: Depth, { icc, exif, xmp }: Attached): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(1, 0)
  header.writeUInt32BE(1, 4)
  header[8] = depth
  header[9] = [0, 0, 4, 2, 6][channels]!
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    ...(icc ? [chunk('iCCP', Buffer.from('icc\0\0', 'latin1'), deflateSync(icc))] : []),
    ...(exif ? [chunk('eXIf', withoutPrefix(exif))] : []),
    ...(xmp ? [chunk('iTXt', Buffer.from('XML:com.adobe.xmp\0\0\0\0\0', 'latin1'), xmp)] : []),
    chunk('IDAT', deflateSync(Buffer.alloc(1 + (channels * depth) / 8))),
    chunk('IEND'),
  ])
}

function chunk(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), ...parts])
  const out = Buffer.alloc(8 + body.length)
  out.writeUInt32BE(body.length - 4, 0)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), 4 + body.length)
  return out
}

/** JPEG and WebP put "Exif\0\0" before the TIFF structure, PNG does not. */
const withoutPrefix = (exif: Buffer): Buffer => (exif.toString('latin1', 0, 6) === 'Exif\0\0' ? exif.subarray(6) : exif)
