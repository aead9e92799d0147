import type { Sharp } from 'sharp'
import { sharp } from '../../../infer/sharp.js'
import { raw } from '../../infer/pictures.js'
import { drawAlpha, drawGrey, drawPhoto, random } from '../../support/draw.js'
import { between } from '../part.js'
import { EITHER, FINE, type Hostile, type Right, upload } from './hostile.js'

/** Fine pictures of every kind that is read, whole, cut short, and with bytes that flipped. */
export async function damagedPictures(seed: number): Promise<Hostile[]> {
  const next = random(seed)
  const all: Hostile[] = []
  for (const [name, picture] of Object.entries(wholePictures())) {
    let made: Promise<Buffer> | undefined
    const file = () => (made ??= picture.toBuffer())
    all.push(upload(name, file, FINE))
    for (const share of CUTS) {
      const cut = async () => (await file()).subarray(0, Math.floor((await file()).length * share))
      all.push(upload(`${Math.round(100 * share)} % of ${name}`, cut, ['broken-image', 'not-an-image']))
    }
    for (let i = 0; i < FLIPS; i++) {
      const at = [next(), next(), next()]
      const flip = async () => {
        const out = Buffer.from(await file())
        for (const place of at) out[Math.floor(place * out.length)]! ^= 1 + Math.floor(255 * place)
        return out
      }
      all.push(upload(`${name} with three bytes changed (${i})`, flip, FLIPPED))
    }
    const late = between(next, 0.5, 1)
    const one = async () => {
      const out = Buffer.from(await file())
      out[Math.floor(late * out.length)]! ^= 0x10
      return out
    }
    all.push(upload(`${name} with one bit changed`, one, name.endsWith('.png') ? EITHER : FLIPPED))
  }
  return all
}

const CUTS = [0.02, 0.3, 0.6, 0.9]
const FLIPS = 2
/** A byte may be of the magic, of the size, of the number of pages or of the picture. */
const FLIPPED: readonly Right[] = [
  200,
  'broken-image',
  'not-an-image',
  'unsupported-format',
  'animated-image',
  'too-many-pixels',
  'output-too-large',
]

function wholePictures(): Record<string, Sharp> {
  const photo = () => raw(drawPhoto(26, 18))
  const grey = () => raw(drawGrey(26, 18))
  const alpha = () => raw(drawAlpha(26, 18))
  return {
    'rgb.png': photo().png(),
    'rgb16.png': photo().toColourspace('rgb16').png(),
    'grey.png': grey().png(),
    'grey16.png': grey().toColourspace('grey16').png(),
    'alpha.png': alpha().png(),
    'alpha16.png': alpha().toColourspace('rgb16').png(),
    'palette.png': photo().png({ palette: true, colours: 16 }),
    'two-colours.png': photo().png({ palette: true, colours: 2 }),
    'interlaced.png': photo().png({ progressive: true }),
    'rgb.jpg': photo().jpeg(),
    'full-chroma.jpg': photo().jpeg({ chromaSubsampling: '4:4:4' }),
    'progressive.jpg': photo().jpeg({ progressive: true }),
    'grey.jpg': grey().jpeg(),
    'cmyk.jpg': photo().toColourspace('cmyk').jpeg(),
    'rgb.webp': photo().webp(),
    'lossless.webp': photo().webp({ lossless: true }),
    'alpha.webp': alpha().webp(),
    'rgb.avif': photo().avif({ effort: 0 }),
    'alpha.avif': alpha().avif({ effort: 0 }),
    'lossless.avif': photo().avif({ effort: 0, lossless: true }),
    'plain.tif': photo().tiff({ compression: 'none' }),
    'lzw.tif': photo().tiff({ compression: 'lzw' }),
    'deflate16.tif': photo().toColourspace('rgb16').tiff({ compression: 'deflate', predictor: 'horizontal' }),
    'grey.tif': grey().tiff({ compression: 'packbits' }),
    'alpha.tif': alpha().tiff({ compression: 'deflate' }),
    'tiled.tif': raw(drawPhoto(40, 40)).tiff({ compression: 'jpeg', tile: true, tileWidth: 16, tileHeight: 16 }),
    'cmyk.tif': photo().toColourspace('cmyk').tiff({ compression: 'lzw' }),
    'rotated.jpg': photo().withMetadata({ orientation: 6 }).jpeg(),
    'profile.jpg': photo().withIccProfile('p3').jpeg(),
    'text.png': sharp(drawPhoto(26, 18).data, { raw: { width: 26, height: 18, channels: 3 } })
      .withXmp('<x/>')
      .png(),
  }
}
