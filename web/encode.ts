import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { encodePng } from './png.js'
import { attachProfile } from './profile.js'
import type { OutputFormat } from './protocol.js'

const DEFAULT_QUALITY = 95

/** What a canvas encodes; PNG is our own. */
const TYPES = { jpg: 'image/jpeg', webp: 'image/webp' }

/** @throws UprezError `unsupported-format` where this browser has no encoder for it (WebP in Safari) */
export async function checkFormat(asked: OutputFormat | 'auto'): Promise<void> {
  if (asked === 'auto' || asked === 'png' || (await canWrite(asked))) return
  throw new UprezError('unsupported-format', `This browser cannot write ${asked}; try png or jpg.`, {
    param: 'format',
    expected: 'png or jpg',
    got: asked,
  })
}

/** `auto` as everywhere in uprez: JPEG stays JPEG, WebP stays WebP (where this browser can write it), anything else becomes PNG. */
export async function outputFormat(asked: OutputFormat | 'auto', inputFormat: string): Promise<OutputFormat> {
  if (asked !== 'auto') return asked
  return inputFormat === 'jpg' || (inputFormat === 'webp' && (await canWrite('webp'))) ? inputFormat : 'png'
}

// A canvas writes PNG in place of what it cannot write, and says so only in the type.
async function canWrite(format: keyof typeof TYPES): Promise<boolean> {
  const canvas = new OffscreenCanvas(1, 1)
  canvas.getContext('2d')
  return (await canvas.convertToBlob({ type: TYPES[format] })).type === TYPES[format]
}

/**
 * Encodes 1 to 4 channels, in a format that `checkFormat` lets pass. PNG is exact; JPEG lays alpha over white.
 * @param quality 1..100, for jpg and webp
 * @throws UprezError `output-too-large`
 */
export async function encodeImage(
  image: Image,
  format: OutputFormat,
  quality: number | undefined,
  profile: Uint8Array<ArrayBuffer> | null,
): Promise<Blob> {
  if (format === 'png') return encodePng(image, profile)
  const canvas = new OffscreenCanvas(image.width, image.height)
  const blob = await draw(image, canvas, format === 'jpg')
    .then(() => canvas.convertToBlob({ type: TYPES[format], quality: (quality ?? DEFAULT_QUALITY) / 100 }))
    .catch(cause => {
      const got = `${image.width}×${image.height}`
      throw new UprezError('output-too-large', `This browser cannot encode ${got} pixels as ${format}; try png.`, {
        param: 'format',
        got,
        cause,
      })
    })
  return profile ? attachProfile(blob, image, profile) : blob
}

async function draw(image: Image, canvas: OffscreenCanvas, onWhite: boolean): Promise<void> {
  const context = canvas.getContext('2d')
  if (!context) throw new Error('no canvas of this size')
  const band = 256
  for (let y = 0; y < image.height; y += band) context.putImageData(rgbaRows(image, y, Math.min(band, image.height - y)), 0, y)
  if (!onWhite || image.channels === 1 || image.channels === 3) return
  context.globalCompositeOperation = 'destination-over'
  context.fillStyle = '#fff'
  context.fillRect(0, 0, image.width, image.height)
}

function rgbaRows({ data, width, channels }: Image, y: number, rows: number): ImageData {
  const rgba = new ImageData(width, rows)
  const [g, b] = channels >= 3 ? [1, 2] : [0, 0]
  const alpha = channels === 2 || channels === 4
  for (let i = y * width * channels, o = 0; o < rgba.data.length; i += channels, o += 4) {
    rgba.data[o] = data[i]!
    rgba.data[o + 1] = data[i + g]!
    rgba.data[o + 2] = data[i + b]!
    rgba.data[o + 3] = alpha ? data[i + channels - 1]! : 255
  }
  return rgba
}
