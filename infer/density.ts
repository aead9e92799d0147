import { open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { Metadata } from 'sharp'
import type { OutputFormat } from './job.js'
import type { InputFormat } from './sniff.js'

const PER_METRE = 1 / 0.0254

/**
 * An encoded picture that says how many pixels an inch has, or that it does not know. sharp alone writes a made-up number into PNG and
 * none into JPEG; TIFF has it from the encoder, WebP and AVIF have no place for it but EXIF.
 * @param density pixels per inch; a JPEG holds whole numbers to 65,535
 */
export function withDensity(file: Buffer, format: OutputFormat, density: number | undefined): Buffer {
  if (format === 'png') physicalSize(density).copy(file, placeOf('pHYs', file))
  return format === 'jpg' && density !== undefined ? afterStart(file, jfif(density)) : file
}

/**
 * The same for a PNG on disk.
 * @param headBytes how many bytes all lies in that comes before the pixels
 */
export async function writeDensity(path: string, headBytes: number, density: number | undefined): Promise<void> {
  const file = await open(path, 'r+')
  try {
    const { buffer: head, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    const chunk = physicalSize(density)
    await file.write(chunk, 0, chunk.length, placeOf('pHYs', head.subarray(0, bytesRead)))
  } finally {
    await file.close()
  }
}

/** The chunk that libpng has written before the pixels. https://www.w3.org/TR/png-3/#11pHYs */
function physicalSize(density: number | undefined): Buffer {
  const [perUnit, unit] = density === undefined ? [1, 0] : [Math.round(density * PER_METRE), 1]
  const chunk = Buffer.from('\0\0\0\x09pHYs\0\0\0\0\0\0\0\0\0\0\0\0\0', 'latin1')
  chunk.writeUInt32BE(perUnit, 8)
  chunk.writeUInt32BE(perUnit, 12)
  chunk[16] = unit
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 17)), 17)
  return chunk
}

/** Where a PNG's first chunk of a type begins. */
function placeOf(type: string, png: Buffer): number {
  let at = 8
  while (png.toString('latin1', at + 4, at + 8) !== type) at += 12 + png.readUInt32BE(at)
  return at
}

/**
 * The density that a picture tells, as a whole number; undefined where it is absurd, too.
 * @param head the file, or the first bytes of it
 * @param meta what sharp has read: it looks into EXIF data only in some formats, and says 72 of a JPEG that says nothing
 */
export function densityOf(format: InputFormat, head: Uint8Array, meta: Pick<Metadata, 'exif' | 'density'>): number | undefined {
  const told = (meta.exif && densityIn(meta.exif)) ?? (format === 'jpg' ? densityOfJfif(head) : meta.density)
  return told !== undefined && told >= 1 && told <= 65_535 ? Math.round(told) : undefined
}

/** CIPA DC-008-2019, 4.6.2 and 4.6.4: a TIFF structure whose first directory has XResolution and ResolutionUnit, 3 for centimetres. */
function densityIn(exif: Buffer): number | undefined {
  const tiff = exif.toString('latin1', 0, 4) === 'Exif' ? exif.subarray(6) : exif
  try {
    const little = tiff[0] === 0x49
    const short = (at: number) => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at))
    const long = (at: number) => (little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at))
    const directory = long(4)
    const found = (tag: number) =>
      Array.from({ length: short(directory) }, (_, i) => directory + 2 + i * 12).find(entry => short(entry) === tag)
    const [resolution, unit] = [found(0x011a), found(0x0128)]
    if (resolution === undefined) return undefined
    const perUnit = long(long(resolution + 8)) / long(long(resolution + 8) + 4)
    return perUnit * (unit !== undefined && short(unit + 8) === 3 ? 2.54 : 1)
  } catch {
    // Broken, or cut off.
    return undefined
  }
}

/** ITU-T T.871, 10.1 */
function densityOfJfif(file: Uint8Array): number | undefined {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.length)
  for (let at = 2; at + 18 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== START_OF_SCAN; at += 2 + bytes.readUInt16BE(at + 2)) {
    if (bytes[at + 1] !== 0xe0 || bytes.toString('latin1', at + 4, at + 8) !== 'JFIF') continue
    const unit = bytes[at + 11]
    const perUnit = bytes.readUInt16BE(at + 12)
    return unit === 0 ? undefined : perUnit * (unit === 2 ? 2.54 : 1)
  }
  return undefined
}

const START_OF_SCAN = 0xda

/** ITU-T T.871, 10.1: version 1.02, dots per inch, no thumbnail. */
function jfif(density: number): Buffer {
  const segment = Buffer.from('\xff\xe0\0\x10JFIF\0\x01\x02\x01\0\0\0\0\0\0', 'latin1')
  segment.writeUInt16BE(Math.round(density), 12)
  segment.writeUInt16BE(Math.round(density), 14)
  return segment
}

/** The segment has to be a JPEG's first, after its start marker. */
const afterStart = (file: Buffer, segment: Buffer): Buffer => Buffer.concat([file.subarray(0, 2), segment, file.subarray(2)])
