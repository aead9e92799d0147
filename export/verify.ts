import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'
import type { Tf } from '../nets/engine.js'
import { onnxRuntimeVersion, openSession, type Planes } from './session.js'

/** A larger difference between tfjs and ONNX Runtime is an error in the export. */
export const PARITY_LIMIT = 1e-4

/** [height, width] in units of the network's size multiple: odd, even, wide, tall and smaller than the receptive field. */
const SIZES: readonly (readonly [number, number])[] = [
  [32, 32],
  [1, 1],
  [17, 31],
  [45, 24],
  [64, 48],
]

/**
 * Runs the network in tfjs and the serialized graph in ONNX Runtime on the same noise, two pictures at a
 * time, and compares every output value.
 * @param about `scale`, and what restricts the sizes to compare on
 * @throws UprezError `parity-failed` when they differ by more than `PARITY_LIMIT`, naming the size
 */
export async function compareWithTfjs(
  tf: Tf,
  model: TF.LayersModel,
  bytes: Uint8Array,
  about: { scale: number; sizeMultiple: number; fixedSize: { width: number; height: number } | null },
): Promise<UpscaleCard['parity']> {
  const { scale, sizeMultiple, fixedSize } = about
  const sizes: [number, number][] = fixedSize
    ? [[fixedSize.height, fixedSize.width]]
    : SIZES.map(([h, w]) => [h * sizeMultiple, w * sizeMultiple])
  const session = await openSession(bytes)
  let maxDifference = 0
  try {
    for (const [height, width] of sizes) {
      const { noise, expected } = await runTfjs(tf, model, height, width)
      const got = await session.run(noise)
      const want = [expected.dims[0]!, expected.dims[1]!, height * scale, width * scale]
      if (String(got.dims) !== String(want) || String(expected.dims) !== String(want)) {
        throw failed(height, width, `an answer of ${want.join('×')}`, `tfjs ${expected.dims.join('×')}, ONNX Runtime ${got.dims.join('×')}`)
      }
      const difference = largestDifference(expected.data, got.data)
      // Not "> limit": a NaN must not pass.
      if (!(difference <= PARITY_LIMIT)) throw failed(height, width, `a difference of at most ${PARITY_LIMIT}`, String(difference))
      maxDifference = Math.max(maxDifference, difference)
    }
  } finally {
    await session.close()
  }
  const against = `TensorFlow.js ${tf.version['tfjs-core']} (${tf.getBackend()}), ONNX Runtime ${onnxRuntimeVersion} (cpu)`
  return { maxDifference, against, sizes }
}

/** NaN where either holds one. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!)
    if (!(difference <= largest)) largest = difference
    if (Number.isNaN(difference)) return Number.NaN
  }
  return largest
}

async function runTfjs(tf: Tf, model: TF.LayersModel, height: number, width: number): Promise<{ noise: Planes; expected: Planes }> {
  const [batch, , , channels] = model.inputs[0]!.shape as [number | null, unknown, unknown, number]
  const image = tf.randomUniform([batch ?? 2, height, width, channels], 0, 1, 'float32', height * 1000 + width)
  const answer = model.predict(image) as TF.Tensor4D
  const planes = async (x: TF.Tensor): Promise<Planes> => {
    const nchw = tf.transpose(x, [0, 3, 1, 2])
    const data = (await nchw.data()) as Float32Array
    nchw.dispose()
    return { data, dims: nchw.shape }
  }
  const both = { noise: await planes(image), expected: await planes(answer) }
  tf.dispose([image, answer])
  return both
}

function failed(height: number, width: number, expected: string, got: string): UprezError {
  const message = `tfjs and ONNX Runtime disagree on an image of ${height}×${width} (height × width): expected ${expected}, got ${got}`
  return new UprezError('parity-failed', message, { param: 'model.onnx', expected, got })
}
