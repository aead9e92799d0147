import sharp from 'sharp'
import { z } from 'zod'
import type { Image } from '../../image/image.js'
import { uniform } from '../random.js'
import { probability, range } from './options.js'
import type { CompressStep } from './plan.js'

/** How a picture is compressed; both papers know JPEG alone. */
export const compressionSchema = z.strictObject({
  jpeg: range(1, 100, [30, 95]).describe('quality of JPEG'),
  webp: range(1, 100, [30, 95]).describe('quality of WebP'),
  webpShare: probability(0).describe('share of WebP instead of JPEG'),
})

export function drawCompression(options: z.infer<typeof compressionSchema>, random: () => number): CompressStep {
  const op = random() < options.webpShare ? 'webp' : 'jpeg'
  return { op, quality: Math.round(uniform(random, options[op])) }
}

/** Encodes and decodes an 8-bit RGB picture; colours at half resolution, as cameras and web sites do. */
export async function compress({ data, width, height }: Image, { op, quality }: CompressStep): Promise<Image> {
  const picture = sharp(data, { raw: { width, height, channels: 3 } })
  const bytes = await (op === 'jpeg' ? picture.jpeg({ quality, chromaSubsampling: '4:2:0' }) : picture.webp({ quality })).toBuffer()
  return { data: await sharp(bytes).raw().toBuffer(), width, height, channels: 3 }
}
