import type { Image } from '../image/image.js'
import { brokenImage, readHeader } from './header.js'
import { checkInputSize } from './limits.js'
import { decodeAlphaPng, encodePng } from './png.js'
import { isRgbProfile } from './profile.js'
import type { JobInput } from './protocol.js'

export interface Decoded {
  image: Image
  /** `png`, `jpg`, `webp`, `avif`, or `pixels` where there was no file. */
  format: string
  /** ICC profile that the pixels are meant in; null: sRGB or unknown. */
  profile: Uint8Array<ArrayBuffer> | null
}

/**
 * A picture to 8-bit samples as stored: orientation applied, colours not converted (CMYK, grey with a profile, and whatever
 * the browser converts unasked become sRGB). Grey files give 1 channel. The size is checked before a pixel is decoded.
 *
 * Exact for opaque files and for 8-bit PNG with alpha; the other formats with alpha pass through a canvas, which rounds
 * the colour of nearly transparent pixels.
 * @throws UprezError: see `readHeader`; `too-many-pixels`
 */
export async function decodeImage(input: JobInput, modelScale: number): Promise<Decoded> {
  if (!(input instanceof Blob)) {
    checkInputSize(input, modelScale)
    const rgba =
      input instanceof ImageData ? new Uint8Array(input.data.buffer, input.data.byteOffset, input.data.length) : readPixels(input)
    return { image: dropUnused(rgba, input, false, true), format: 'pixels', profile: null }
  }
  const bytes = new Uint8Array(await input.arrayBuffer())
  const header = await readHeader(bytes)
  if (header.size) checkInputSize(header.size, modelScale)
  const rgbProfile = header.profile && !header.grey && isRgbProfile(header.profile) ? header.profile : null

  if (header.format === 'png' && header.alpha && (rgbProfile || !header.profile)) {
    const image = await decodeAlphaPng(bytes)
    if (image) return { image, format: header.format, profile: rgbProfile }
  }
  const profile = rgbProfile && (await leavesColoursAlone(rgbProfile)) ? rgbProfile : null
  const bitmap = await openBitmap(input, header.profile && !profile ? 'default' : 'none')
  try {
    checkInputSize(bitmap, modelScale)
    return { image: dropUnused(readPixels(bitmap), bitmap, header.grey, header.alpha), format: header.format, profile }
  } finally {
    bitmap.close()
  }
}

function openBitmap(file: Blob, colorSpaceConversion: ColorSpaceConversion): Promise<ImageBitmap> {
  const options: ImageBitmapOptions = { premultiplyAlpha: 'none', colorSpaceConversion, imageOrientation: 'from-image' }
  return createImageBitmap(file, options).catch(cause => {
    throw brokenImage(cause)
  })
}

// Not every browser heeds 'none', and what it has converted must not get its old profile back: a small picture under the same
// profile shows what this browser does. In half tones, because full ones may be cut off at the same end in both spaces.
async function leavesColoursAlone(profile: Uint8Array<ArrayBuffer>): Promise<boolean> {
  const tones = [200, 60, 60, 60, 200, 60, 60, 60, 200, 128, 128, 128]
  const drawn = { data: Uint8Array.from(tones), width: 4, height: 1, channels: 3 }
  const bitmap = await openBitmap(await encodePng(drawn, profile), 'none')
  const { data } = dropUnused(readPixels(bitmap), bitmap, false, false)
  bitmap.close()
  return data.every((value, i) => value === tones[i])
}

// In bands: the canvas stays small, whatever sides a browser allows it.
function readPixels(bitmap: ImageBitmap): Uint8Array {
  const { width, height } = bitmap
  const band = Math.min(height, 256)
  const canvas = new OffscreenCanvas(width, band)
  const context = canvas.getContext('2d', { willReadFrequently: true })
  if (!context) throw brokenImage()
  const rgba = new Uint8Array(width * height * 4)
  for (let y = 0; y < height; y += band) {
    const rows = Math.min(band, height - y)
    context.clearRect(0, 0, width, band)
    context.drawImage(bitmap, 0, -y)
    rgba.set(context.getImageData(0, 0, width, rows).data, y * width * 4)
  }
  return rgba
}

/** RGBA without what says nothing: alpha of opaque pictures, the second and third sample of grey ones. */
function dropUnused(rgba: Uint8Array, { width, height }: { width: number; height: number }, grey: boolean, mayHaveAlpha: boolean): Image {
  const alpha = mayHaveAlpha && rgba.some((value, i) => (i & 3) === 3 && value !== 255)
  if (alpha && !grey) return { data: rgba, width, height, channels: 4 }
  const keep = grey ? (alpha ? [0, 3] : [0]) : [0, 1, 2]
  const data = new Uint8Array(width * height * keep.length)
  for (let p = 0, o = 0; p < width * height; p++) for (const sample of keep) data[o++] = rgba[p * 4 + sample]!
  return { data, width, height, channels: keep.length }
}
