import { UprezError } from '../errors.js'

/**
 * Largest picture that a tab computes, in pixels: both the enlargement by the model's own scale (×4: 6.25 megapixels of input)
 * and a size asked for. Beyond it browsers begin to end tabs: 100 megapixels are 300 MB before they are encoded and shown.
 */
export const MAX_OUTPUT_PIXELS = 100_000_000

/** Largest picture that is decoded at all, in pixels. */
export const MAX_INPUT_PIXELS = 100_000_000

/** @throws UprezError `too-many-pixels` */
export function checkInputSize({ width, height }: Size, modelScale: number): void {
  const most = Math.min(MAX_INPUT_PIXELS, Math.floor(MAX_OUTPUT_PIXELS / modelScale ** 2))
  if (width * height <= most) return
  const expected = `at most ${megapixels(most)} megapixels for a ×${modelScale} model in a browser`
  const got = `${width}×${height}, ${megapixels(width * height)} megapixels`
  throw new UprezError('too-many-pixels', `The picture has too many pixels: expected ${expected}, got ${got}.`, {
    param: 'image',
    expected,
    got,
  })
}

/** @throws UprezError `output-too-large` */
export function checkOutputSize({ width, height }: Size, format: string): void {
  const side = format === 'webp' ? 16_383 : 65_535
  if (width <= side && height <= side && width * height <= MAX_OUTPUT_PIXELS) return
  const expected = `at most ${side.toLocaleString('en')} pixels a side and ${megapixels(MAX_OUTPUT_PIXELS)} megapixels for ${format}`
  const got = `${width}×${height}`
  throw new UprezError('output-too-large', `The result would be too large: expected ${expected}, got ${got}.`, {
    param: 'format',
    expected,
    got,
  })
}

interface Size {
  width: number
  height: number
}

const megapixels = (pixels: number) => (pixels / 1e6).toLocaleString('en', { maximumFractionDigits: 2 })
