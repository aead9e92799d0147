import type * as TF from '@tensorflow/tfjs'
import sharp from 'sharp'
import type { Image } from '../image/image.js'
import { psnrY, ssimY } from '../image/metrics.js'
import { niqe } from '../image/niqe.js'
import { resize } from '../image/resize.js'
import type { Tf } from '../nets/engine.js'
import { networkFacts } from '../nets/facts.js'
import { cutMiddle } from './pairs.js'
import type { Pair } from './patch.js'
import type { Sheet } from './recipe.js'

/** What a picture that comes out exactly counts, in dB: its PSNR is infinite. */
const PERFECT = 100
/** Side of a square on a sheet of samples. */
const SHEET_SIDE = 240

/** One picture enlarged by the generator, rounded to 8 bits. */
export async function enlarge(tf: Tf, generator: TF.LayersModel, low: Image, scale: number): Promise<Image> {
  const { sizeMultiple } = networkFacts(generator)
  const output = tf.tidy(() => {
    const enlarged = generator.predict(inputOf(tf, low, sizeMultiple)) as TF.Tensor4D
    return tf
      .slice(enlarged, 0, [1, low.height * scale, low.width * scale, 3])
      .mul(255)
      .clipByValue(0, 255)
      .add(0.5)
  })
  const [, height, width] = output.shape as [number, number, number, number]
  // Storing into bytes drops the fraction: with the 0.5 above, that rounds.
  const data = Uint8Array.from(await output.data())
  output.dispose()
  return { data, width, height, channels: 3 }
}

/** The picture as a network takes it; like the runtime, repeats the last column and row until both sides are multiples. */
function inputOf(tf: Tf, { data, width, height }: Image, multiple: number): TF.Tensor4D {
  const [columns, rows] = [width, height].map(length => Math.ceil(length / multiple) * multiple) as [number, number]
  const values = new Float32Array(rows * columns * 3)
  for (let y = 0, to = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const from = (Math.min(y, height - 1) * width + Math.min(x, width - 1)) * 3
      for (let c = 0; c < 3; c++) values[to++] = data[from + c]! / 255
    }
  }
  return tf.tensor4d(values, [1, rows, columns, 3])
}

/**
 * Means over the pairs, by the published protocol (`scale` pixels shaved): PSNR-Y, SSIM-Y, and NIQE over those large enough for it.
 * @param onProgress told how many pairs are done, before each
 */
export async function validate(
  tf: Tf,
  generator: TF.LayersModel,
  pairs: Pair[],
  scale: number,
  onProgress: (done: number) => void = () => {},
): Promise<Record<string, number>> {
  const figures: { psnr: number; ssim: number; natural: number | null }[] = []
  for (const [i, { low, high }] of pairs.entries()) {
    onProgress(i)
    const output = await enlarge(tf, generator, low, scale)
    const psnr = Math.min(psnrY(output, high, scale), PERFECT)
    figures.push({ psnr, ssim: ssimY(output, high, scale), natural: niqe(output, scale) })
  }
  const natural = figures.flatMap(figure => figure.natural ?? [])
  return {
    'PSNR-Y': mean(figures.map(({ psnr }) => psnr)),
    'SSIM-Y': mean(figures.map(({ ssim }) => ssim)),
    ...(natural.length > 0 && { NIQE: mean(natural) }),
  }
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** A sheet of samples, one row a picture: low side (nearest neighbour), bicubic, ours, original; squares from the middle. */
export async function sampleSheet(tf: Tf, generator: TF.LayersModel, pairs: Pair[], scale: number): Promise<Sheet> {
  const side = Math.min(SHEET_SIDE, ...pairs.map(({ high }) => Math.min(high.width, high.height)))
  const rows: Image[][] = []
  for (const { low, high } of pairs) {
    const ours = await enlarge(tf, generator, low, scale)
    const size = { width: high.width, height: high.height }
    const crop = (image: Image) => cutMiddle(image, side, side)
    rows.push([crop(nearest(low, scale)), crop(resize(low, { ...size, kernel: 'bicubic' })), crop(ours), crop(high)])
  }
  const [width, height] = [side * 4, side * rows.length]
  const data = new Uint8Array(width * height * 3)
  for (const [r, row] of rows.entries()) {
    for (const [c, image] of row.entries()) {
      for (let y = 0; y < side; y++)
        data.set(image.data.subarray(y * side * 3, (y + 1) * side * 3), ((r * side + y) * width + c * side) * 3)
    }
  }
  return {
    png: await sharp(data, { raw: { width, height, channels: 3 } })
      .png()
      .toBuffer(),
    width,
    height,
    title: 'samples: low, bicubic, ours, original',
  }
}

function nearest({ data, width, height }: Image, scale: number): Image {
  const out = new Uint8Array(width * height * scale ** 2 * 3)
  for (let y = 0; y < height * scale; y++) {
    for (let x = 0; x < width * scale; x++) {
      const from = (Math.floor(y / scale) * width + Math.floor(x / scale)) * 3
      out.set(data.subarray(from, from + 3), (y * width * scale + x) * 3)
    }
  }
  return { data: out, width: width * scale, height: height * scale, channels: 3 }
}
