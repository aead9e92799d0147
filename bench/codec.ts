import type { Image } from '../image/image.js'
import { withDensity } from '../infer/density.js'
import { FAST } from '../infer/encode.js'
import { sharp } from '../infer/sharp.js'

/**
 * How somebody with sharp in hand reads and writes pictures: raw sharp calls with the settings of our server, as many threads
 * and no cache, as it has (a test compares the bytes, so that they stay the same).
 */

export async function decodeByHand(bytes: Uint8Array): Promise<Image> {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height, channels: info.channels }
}

/** JPEG stays JPEG, the rest becomes PNG, as with `-f auto`. */
export async function encodeByHand({ data, width, height }: Image, format: 'jpg' | 'png'): Promise<Buffer> {
  const picture = sharp(data, { raw: { width, height, channels: 3 } })
  const file = await (format === 'jpg' ? picture.jpeg({ ...FAST.jpg, quality: 95 }) : picture.png(FAST.png)).toBuffer()
  // A few bytes, for the comparison: sharp makes up a density.
  return withDensity(file, format, undefined)
}

export const formatOf = (file: string): 'jpg' | 'png' => (file.endsWith('.jpg') ? 'jpg' : 'png')
