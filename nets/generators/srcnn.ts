import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import type { Tf } from '../engine.js'
import { layersOf } from '../layers.js'
import { chain, picture } from './chain.js'

export const srcnnSchema = z.strictObject({
  kind: z.literal('srcnn'),
  kernels: z
    .tuple([z.int().min(1).max(15), z.int().min(1).max(15), z.int().min(1).max(15)])
    .refine(sides => sides.every(side => side % 2 === 1), 'expected three odd numbers')
    .default([9, 5, 5])
    .describe('sides of the three kernels; the first paper has 9, 1, 5'),
  channels: z
    .tuple([z.int().min(1).max(512), z.int().min(1).max(512)])
    .default([64, 32])
    .describe('feature channels after the first and the second convolution'),
})

/**
 * SRCNN: Dong et al., "Learning a Deep Convolutional Network for Image Super-Resolution", ECCV 2014; "Image Super-Resolution Using
 * Deep Convolutional Networks", TPAMI 2016, section 3. The picture is enlarged by bicubic interpolation first, inside the network.
 *
 *   in ─ bicubic ─ conv 9×9 ─ ReLU ─ conv 5×5 ─ ReLU ─ conv 5×5 ─ out
 *
 * In RGB (section 4.5), padded with zeros, and begun with He's weights: the paper's N(0, 0.001) needs 8·10⁸ backpropagations.
 * Float NHWC [n,h,w,3] in [0,1] → [n,h·scale,w·scale,3], unclamped.
 */
export function srcnnGenerator(tf: Tf, config: z.infer<typeof srcnnSchema>, scale: number, seed: number): TF.LayersModel {
  const { bicubicEnlarge, conv } = layersOf(tf)
  const [first, second, third] = config.kernels
  const input = picture(tf)
  const enlarged = scale === 1 ? chain(tf, input) : chain(tf, input).put(bicubicEnlarge({ name: 'bicubic', scale }))
  const { end } = enlarged
    .put(conv({ name: 'conv1', filters: config.channels[0], kernelSize: first, slope: 0, gain: 1, seed }))
    .put(conv({ name: 'conv2', filters: config.channels[1], kernelSize: second, slope: 0, gain: 1, seed }))
    .put(conv({ name: 'conv3', filters: 3, kernelSize: third, gain: 0.1, seed }))
  return tf.model({ inputs: input, outputs: end, name: 'srcnn' })
}
