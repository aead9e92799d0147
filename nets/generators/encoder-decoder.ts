import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import type { Tf } from '../engine.js'
import { layersOf } from '../layers.js'
import { nameSeed } from '../seed.js'
import { chain, enlargements, picture } from './chain.js'

export const encoderDecoderSchema = z.strictObject({
  kind: z.literal('encoder-decoder'),
  channels: z.int().min(1).max(512).default(64).describe('feature channels at the full size; twice as many at every half'),
  depth: z.int().min(1).max(4).default(2).describe('halvings; the sides of a picture must be multiples of 2^depth'),
})

/** Radford et al. 2016, section 4: all weights begin with this deviation. */
const DEVIATION = 0.02

/**
 * An encoder of strided convolutions and a decoder of transposed ones, batch norm and ReLU behind each, tanh at the end: the parts
 * and the starting weights of DCGAN (Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative
 * Adversarial Networks", ICLR 2016, section 3), as articles on WGAN-GP (Gulrajani et al., NeurIPS 2017) use them to enlarge pictures.
 *
 *   in ─ [conv 4×4, stride 2] × depth ─ [transposed conv 4×4, stride 2] × depth ─ [transposed conv, stride 2 or 3] ─ conv 3×3 ─ tanh ─ out
 *
 * Black and white are −1 and 1 inside. Kernels are twice as wide as their strides, so that every output pixel has the same number of
 * terms. Float NHWC [n,h,w,3] in [0,1] → [n,h·scale,w·scale,3] in (0,1).
 */
export function encoderDecoderGenerator(tf: Tf, config: z.infer<typeof encoderDecoderSchema>, scale: number, seed: number): TF.LayersModel {
  const layers = layersOf(tf)
  const { channels, depth } = config
  const halved = (name: string, filters: number) =>
    layers.stridedConv({ name, filters, kernelSize: 4, stride: 2, deviation: DEVIATION, seed })
  const enlarged = (name: string, filters: number, strides: number) => {
    const kernelInitializer = tf.initializers.randomNormal({ mean: 0, stddev: DEVIATION, seed: nameSeed(`${seed}/${name}/kernel`) })
    return tf.layers.conv2dTranspose({
      name,
      filters,
      kernelSize: 2 * strides,
      strides,
      padding: 'same',
      useBias: false,
      kernelInitializer,
    })
  }

  const input = picture(tf)
  let net = chain(tf, input).put(layers.affine({ name: 'centre', factor: 2, offset: -1 }))
  const step = (name: string, layer: TF.layers.Layer) => {
    net = net
      .put(layer)
      .put(layers.batchNorm({ name: `${name}_norm` }))
      .put(tf.layers.reLU({ name: `${name}_act` }))
  }
  for (let i = 1; i <= depth; i++) step(`down${i}`, halved(`down${i}`, channels * 2 ** i))
  for (let i = depth; i >= 1; i--) step(`up${i}`, enlarged(`up${i}`, channels * 2 ** (i - 1), 2))
  for (const [i, factor] of enlargements(scale).entries()) step(`enlarge${i + 1}`, enlarged(`enlarge${i + 1}`, channels, factor))
  net = net
    .put(layers.conv({ name: 'last', filters: 3, kernelSize: 3, gain: 0.1, seed }))
    .put(tf.layers.activation({ name: 'tanh', activation: 'tanh' }))
    .put(layers.affine({ name: 'unit', factor: 0.5, offset: 0.5 }))
  return tf.model({ inputs: input, outputs: net.end, name: 'encoder-decoder' })
}
