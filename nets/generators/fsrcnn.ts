import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import type { Tf } from '../engine.js'
import { layersOf } from '../layers.js'
import { nameSeed } from '../seed.js'
import { chain, picture } from './chain.js'

export const fsrcnnSchema = z.strictObject({
  kind: z.literal('fsrcnn'),
  features: z.int().min(1).max(512).default(56).describe("feature channels, the paper's d"),
  shrunk: z.int().min(1).max(512).default(12).describe("channels of the mapping, the paper's s"),
  mappings: z.int().min(0).max(64).default(4).describe("3×3 convolutions of the mapping, the paper's m"),
})

/** Side of the transposed convolution's kernel. */
const LAST = 9

/**
 * FSRCNN: Dong et al., "Accelerating the Super-Resolution Convolutional Neural Network", ECCV 2016, section 3.2, in RGB.
 *
 *   in ─ conv 5×5, d ─ conv 1×1, s ─ [conv 3×3, s] × m ─ conv 1×1, d ─ transposed conv 9×9, stride scale ─ out
 *
 * with a PReLU behind every convolution but the last. Float NHWC [n,h,w,3] in [0,1] → [n,h·scale,w·scale,3], unclamped.
 */
export function fsrcnnGenerator(tf: Tf, config: z.infer<typeof fsrcnnSchema>, scale: number, seed: number): TF.LayersModel {
  const { conv, channelPrelu } = layersOf(tf)
  const { features, shrunk, mappings } = config
  const input = picture(tf)
  let net = chain(tf, input)
  const step = (name: string, filters: number, kernelSize: number) => {
    net = net.put(conv({ name, filters, kernelSize, gain: 1, seed })).put(channelPrelu({ name: `${name}_act` }))
  }
  step('extract', features, 5)
  step('shrink', shrunk, 1)
  for (let i = 1; i <= mappings; i++) step(`map${i}`, shrunk, 3)
  step('expand', features, 1)
  const kernelInitializer = tf.initializers.randomNormal({ mean: 0, stddev: 0.001, seed: nameSeed(`${seed}/enlarge/kernel`) })
  net = net.put(
    tf.layers.conv2dTranspose({ name: 'enlarge', filters: 3, kernelSize: LAST, strides: scale, padding: 'same', kernelInitializer }),
  )
  return tf.model({ inputs: input, outputs: net.end, name: 'fsrcnn' })
}
