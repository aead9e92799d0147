import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'

/**
 * Mean absolute difference of the real and imaginary parts of the two-dimensional Fourier transforms, each with the factor
 * 1/√(h·w) that keeps an image's energy. Cho et al. 2021 (MIMO-UNet), equation 4, where the transform has no factor: their
 * weight of 0.1 for 256×256 patches is 25.6 here.
 *
 * The transform is two products with a matrix of cosines and sines: exact, differentiable, and the same on every engine
 * (tfjs has no FFT for wasm). h·w·(h + w) steps for each channel, which for a patch is less than a convolution.
 * @param output, target [n,h,w,c]
 */
export function frequencyLoss(tf: Tf, output: TF.Tensor4D, target: TF.Tensor4D): TF.Scalar {
  const [n, h, w, c] = output.shape
  // The transform is linear: one of the difference is enough.
  const planes = tf.transpose(tf.sub(output, target), [0, 3, 1, 2]).reshape([n * c, h, w])
  const columns = tf.matMul(tf.tensor3d(waves(h), [1, 2 * h, h]), planes as TF.Tensor3D)
  const both = tf.matMul(columns.reshape([-1, w]), tf.tensor2d(waves(w), [2 * w, w]), false, true)
  // By rows: cos or sin along y; by columns: cos or sin along x. e^−i(a+b) = (cos a cos b − sin a sin b) − i(sin a cos b + cos a sin b)
  const [cosine, sine] = tf.split(both.reshape([n * c, 2, h, 2, w]), 2, 1)
  const [cosCos, cosSin] = tf.split(cosine!, 2, 3)
  const [sinCos, sinSin] = tf.split(sine!, 2, 3)
  const real = tf.sub(cosCos!, sinSin!)
  const imaginary = tf.add(sinCos!, cosSin!)
  return tf.add(tf.abs(real).mean(), tf.abs(imaginary).mean()).div(2) as TF.Scalar
}

const known = new Map<number, Float32Array>()

/** [2·size, size]: cos(2πkx/size)/√size by k and x, then the sines. */
function waves(size: number): Float32Array {
  const values = known.get(size) ?? new Float32Array(2 * size * size)
  if (known.has(size)) return values
  known.set(size, values)
  for (let k = 0, i = 0; k < size; k++) {
    for (let x = 0; x < size; x++, i++) {
      const angle = (2 * Math.PI * ((k * x) % size)) / size
      values[i] = Math.cos(angle) / Math.sqrt(size)
      values[size * size + i] = Math.sin(angle) / Math.sqrt(size)
    }
  }
  return values
}
