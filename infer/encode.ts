import { appendFile, writeFile } from 'node:fs/promises'
import type { Sharp } from 'sharp'
import { UprezError } from '../errors.js'
import { type Image, type Pixels, sameType, whiteOf } from '../image/image.js'
import { imageWith } from './carrier.js'
import { withDensity, writeDensity } from './density.js'
import type { Attached } from './files.js'
import type { Depth, Job, OutputFormat } from './job.js'
import { HEAD_BYTES, type InputFormat } from './sniff.js'

/** The format of the result: what was asked for, else JPEG for JPEG, WebP for WebP, and PNG for all others. */
export function outputFormat(asked: OutputFormat | 'auto', input: InputFormat): OutputFormat {
  if (asked !== 'auto') return asked
  return input === 'jpg' || input === 'webp' ? input : 'png'
}

/**
 * Bits of a sample of the result, and so of all the work: what was asked for, else as many as the picture has and the format holds.
 * AVIF, which could hold 10 or 12, is written with 8.
 * @throws UprezError `invalid-option` for 16 in a format that holds 8
 */
export function outputDepth(asked: Job['depth'], input: Depth, format: OutputFormat): Depth {
  const most = format === 'png' || format === 'tiff' ? 16 : 8
  if (asked === undefined || asked === 'auto') return most === 16 ? input : 8
  if (asked <= most) return asked
  const expected = `8 for ${format}; png and tiff hold 16`
  throw new UprezError('invalid-option', `Expected ${expected} for depth but received ${asked}`, {
    param: 'depth',
    expected,
    got: `${asked}`,
  })
}

/** The pixels per inch that the result is to say it has; undefined: it says nothing. */
export function outputDensity(asked: Job['dpi'], input: number | undefined, enlargement: number): number | undefined {
  if (typeof asked === 'number') return asked
  return asked === 'scale' && input !== undefined ? Math.min(65_535, Math.max(1, Math.round(input * enlargement))) : input
}

/** The longest side each format's files can have. PNG and TIFF go further than memory. */
const LONGEST_SIDE: Record<OutputFormat, number> = { png: 2 ** 31 - 1, jpg: 65_535, webp: 16_383, avif: 16_384, tiff: 2 ** 31 - 1 }

/**
 * Whether a picture of this size can be written, asked before any work.
 * @throws UprezError `output-too-large`
 */
export function checkOutputSize(width: number, height: number, format: OutputFormat): void {
  const most = LONGEST_SIDE[format]
  if (width <= most && height <= most) return
  const expected = `at most ${most} pixels a side for ${format}`
  throw new UprezError('output-too-large', `Expected ${expected} but the result would be ${width}×${height}; choose another format`, {
    param: 'format',
    expected,
    got: `${width}×${height}`,
  })
}

/** 1..100; PNG and TIFF lose nothing and take none. */
const DEFAULT_QUALITY = { jpg: 95, webp: 95, avif: 80 } as const

/**
 * Encodes pixels with as many bits as they have: 16 in PNG and TIFF only. JPEG has no alpha: it is laid on white there. Orientation is 1
 * in the EXIF data that goes along (TIFF goes without: libtiff writes none).
 * @param quality 1..100 for JPEG, WebP and AVIF
 */
export async function encode(image: Image<Pixels>, format: OutputFormat, quality: number | undefined, attached: Attached): Promise<Buffer> {
  const file = await encoder(image, format, quality, attached).toBuffer()
  return withDensity(file, format, attached.density)
}

/**
 * The same into a file, row by row as they are encoded; but for a JPEG with a density, which is held whole, and AVIF, whose encoder holds
 * the picture.
 * @throws Error with the `code` of the system's error where the file cannot be written
 */
export async function encodeToFile(
  path: string,
  image: Image<Pixels>,
  format: OutputFormat,
  quality: number | undefined,
  attached: Attached,
): Promise<void> {
  const { icc, exif, xmp, density } = attached
  if (format === 'jpg' && density !== undefined) {
    await writeFile(path, await encode(image, format, quality, attached))
    return
  }
  await encoder(image, format, quality, attached)
    .toFile(path)
    .catch(error => throwSystemError(error, path))
  const metadata = [icc, exif, xmp].reduce((sum, part) => sum + (part?.length ?? 0), 0)
  if (format === 'png') await writeDensity(path, metadata + HEAD_BYTES, density)
}

/**
 * libvips tells the system's error in words at best, and has one place for the words of all threads: where two writes fail at once, one
 * has those of the other, or of none. So the system is asked itself: may more be written there?
 */
async function throwSystemError(error: Error, path: string): Promise<never> {
  await appendFile(path, new Uint8Array(PROBE_BYTES))
  throw /write (error|failed)|unable to (open for )?write/.test(error.message) ? Object.assign(error, { code: 'EIO' }) : error
}

const PROBE_BYTES = 2 ** 20

function encoder(image: Image<Pixels>, format: OutputFormat, quality: number | undefined, attached: Attached): Sharp {
  const pipeline = imageWith(format === 'jpg' ? onWhite(image) : image, attached)
  switch (format) {
    case 'png':
      return pipeline.png(FAST.png)
    case 'jpg':
      return pipeline.jpeg({ ...FAST.jpg, quality: quality ?? DEFAULT_QUALITY.jpg })
    case 'webp':
      return pipeline.webp({ ...FAST.webp, quality: quality ?? DEFAULT_QUALITY.webp })
    case 'avif':
      return pipeline.avif({ ...FAST.avif, quality: quality ?? DEFAULT_QUALITY.avif })
    case 'tiff':
      return pipeline.tiff({ ...FAST.tiff, bigtiff: image.data.byteLength > 2 ** 31, ...resolution(attached.density) })
  }
}

/** In pixels per millimetre, whatever the unit that is written. */
const resolution = (density: number | undefined) => (density === undefined ? {} : { xres: density / 25.4, yres: density / 25.4 })

/**
 * Measured on an enlarged picture, core-milliseconds and bytes per pixel: PNG 2 27 and 0.28 (6: 49 and 0.23; 2 without filters: 11
 * and 0.54); WebP 2 33 and 0.038 (4: 65 and 0.036); AVIF 1 64 and 0.023 (4, sharp's own: 1900 and 0.018). The model needs about 230.
 * JPEG with optimised coding would save 5 % of the bytes, but hold every coefficient: 6 bytes a pixel, more than the picture itself.
 */
export const FAST = {
  png: { compressionLevel: 2, adaptiveFiltering: true },
  jpg: { chromaSubsampling: '4:4:4', optimiseCoding: false },
  webp: { effort: 2 },
  avif: { effort: 1, chromaSubsampling: '4:4:4' },
  tiff: { compression: 'deflate', predictor: 'horizontal' },
} as const

function onWhite(image: Image<Pixels>): Image<Pixels> {
  const { data, width, height, channels } = image
  if (channels === 1 || channels === 3) return image
  const colours = channels - 1
  const out = sameType(data, width * height * colours)
  const white = whiteOf(data)
  for (let i = 0, o = 0; i < data.length; i += channels) {
    const alpha = data[i + colours]!
    for (let c = 0; c < colours; c++) out[o++] = white + ((data[i + c]! - white) * alpha) / white + 0.5
  }
  return { data: out, width, height, channels: colours }
}
