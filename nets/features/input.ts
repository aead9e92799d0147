import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'

/**
 * How networks want their pictures; `tf`, `torch` and `caffe` by the names that Keras gives them.
 *
 *   unit   RGB in [0,1]
 *   tf     RGB in [−1,1]
 *   torch  RGB in [0,1], less the mean of ImageNet, divided by its standard deviation, by channel
 *   caffe  BGR in [0,255], less the mean of ImageNet
 */
export const FEATURE_INPUTS = ['unit', 'tf', 'torch', 'caffe'] as const
export type FeatureInput = (typeof FEATURE_INPUTS)[number]

const TORCH = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] }
const CAFFE_BGR = [103.939, 116.779, 123.68]

/** @param images [n,h,w,3], RGB in [0,1] */
export function prepareInput(tf: Tf, images: TF.Tensor4D, input: FeatureInput): TF.Tensor4D {
  switch (input) {
    case 'unit':
      return images
    case 'tf':
      return tf.sub(tf.mul(images, 2), 1)
    case 'torch':
      return tf.div(tf.sub(images, tf.tensor1d(TORCH.mean)), tf.tensor1d(TORCH.deviation))
    case 'caffe':
      return tf.sub(tf.mul(tf.reverse(images, 3), 255), tf.tensor1d(CAFFE_BGR))
  }
}
