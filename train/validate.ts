import type * as TF from '@tensorflow/tfjs'
import sharp from 'sharp'
import type { Image } from '../image/image.js'
import { psnrY, ssimY } from '../image/metrics.js'
import { resize } from '../image/resize.js'
import type { Tf } from '../nets/engine.js'
import { cutMiddle } from './pairs.js'
import type { Pair } from './patch.js'

/** One picture enlarged by the generator, rounded to 8 bits. */
export async function enlarge(tf: Tf, generator: TF.LayersModel, low: Image): Promise<Image> {
  const output = tf.tidy(() => {
    const x = tf.tensor4d(
      Float32Array.from(low.data, value => value / 255),
      [1, low.height, low.width, 3],
    )
    return (generator.predict(x) as TF.Tensor4D).mul(255).clipByValue(0, 255).add(0.5)
  })
  const [, height, width] = output.shape as [number, number, number, number]
  // Storing into bytes drops the fraction: with the 0.5 above, that rounds.
  const data = Uint8Array.from(await output.data())
  output.dispose()
  return { data, width, height, channels: 3 }
}

/**
 * Mean PSNR-Y and SSIM-Y over the pairs, by the published protocol (`scale` pixels shaved).
 * @param onProgress told how many pairs are done, before each
 */
export async function validate(
  tf: Tf,
  generator: TF.LayersModel,
  pairs: Pair[],
  scale: number,
  onProgress: (done: number) => void = () => {},
): Promise<{ psnrY: number; ssimY: number }> {
  let psnr = 0
  let ssim = 0
  for (const [i, { low, high }] of pairs.entries()) {
    onProgress(i)
    const output = await enlarge(tf, generator, low)
    psnr += psnrY(output, high, scale) / pairs.length
    ssim += ssimY(output, high, scale) / pairs.length
  }
  return { psnrY: psnr, ssimY: ssim }
}

export interface Sheet {
  png: Buffer
  width: number
  height: number
}

/** A sheet of samples, one row a picture: low side (nearest neighbour), bicubic, ours, original; squares from the middle. */
export async function sampleSheet(tf: Tf, generator: TF.LayersModel, pairs: Pair[], scale: number, side: number): Promise<Sheet> {
  const rows: Image[][] = []
  for (const { low, high } of pairs) {
    const ours = await enlarge(tf, generator, low)
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
