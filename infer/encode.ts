import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { imageWith } from './carrier.js'
import type { OutputFormat } from './engine.js'
import type { Attached } from './files.js'
import type { InputFormat } from './sniff.js'

/** The format of the result: what was asked for, else JPEG for JPEG, WebP for WebP, and PNG for all others. */
export function outputFormat(asked: OutputFormat | 'auto', input: InputFormat): OutputFormat {
  if (asked !== 'auto') return asked
  return input === 'jpg' || input === 'webp' ? input : 'png'
}

/** The longest side each format's files can have. PNG ends at 2³¹ − 1. */
const LONGEST_SIDE: Record<OutputFormat, number> = { png: 2 ** 31 - 1, jpg: 65_535, webp: 16_383, avif: 16_384 }

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

/** 1..100; PNG loses nothing and takes none. */
const DEFAULT_QUALITY = { jpg: 95, webp: 95, avif: 80 } as const

/**
 * Encodes 8-bit pixels. JPEG has no alpha: it is laid on white there. Orientation is 1 in the EXIF data that goes along.
 * @param quality 1..100 for JPEG, WebP and AVIF
 */
export async function encode(image: Image, format: OutputFormat, quality: number | undefined, attached: Attached): Promise<Buffer> {
  const pipeline = imageWith(format === 'jpg' ? onWhite(image) : image, attached)
  switch (format) {
    case 'png':
      return pipeline.png(FAST.png).toBuffer()
    case 'jpg':
      return pipeline.jpeg({ ...FAST.jpg, quality: quality ?? DEFAULT_QUALITY.jpg }).toBuffer()
    case 'webp':
      return pipeline.webp({ ...FAST.webp, quality: quality ?? DEFAULT_QUALITY.webp }).toBuffer()
    case 'avif':
      return pipeline.avif({ ...FAST.avif, quality: quality ?? DEFAULT_QUALITY.avif }).toBuffer()
  }
}

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
} as const

function onWhite(image: Image): Image {
  const { data, width, height, channels } = image
  if (channels === 1 || channels === 3) return image
  const colours = channels - 1
  const out = new Uint8Array(width * height * colours)
  for (let i = 0, o = 0; i < data.length; i += channels) {
    const alpha = data[i + colours]!
    for (let c = 0; c < colours; c++) out[o++] = 255 + ((data[i + c]! - 255) * alpha) / 255 + 0.5
  }
  return { data: out, width, height, channels: colours }
}
