import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import type { Tf } from '../engine.js'
import { chain } from '../generators/chain.js'
import { criticLayersOf } from './layers.js'

export const patchSchema = z.strictObject({
  kind: z.literal('patch'),
  channels: z.int().min(1).max(512).default(32).describe('of the first convolution; each level doubles them, eight times at most'),
  levels: z.int().min(1).max(5).default(3).describe('convolutions of stride 2'),
})

/**
 * A light critic without normalisation, for gradient penalties: Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS
 * 2017, section 4 (no batch norm in the critic), as a patch critic (Isola et al. 2017). Strided 4×4 convolutions, whose windows
 * cover every pixel equally often, and a leaky ReLU that can be differentiated twice. A logit of the default sees 38×38 pixels.
 *
 *   in ─ conv1 ─ act1 ─ … ─ conv3 ─ act3 ─ logits
 *
 * [n,side,side,3] in [0,1] → [n,side/2^levels,side/2^levels,1], one logit a patch; their mean is the verdict on the image.
 */
export function patchCritic(tf: Tf, config: z.infer<typeof patchSchema>, side: number, seed: number): TF.LayersModel {
  const { criticConv, leaky } = criticLayersOf(tf)
  const conv = (name: string, filters: number, kernelSize: number, stride: number) =>
    criticConv({ name, filters, kernelSize, stride, padding: 'same', bias: true, spectral: false, seed })
  const input = tf.input({ shape: [side, side, 3], name: 'image' })
  let net = chain(tf, input)
  for (let i = 1; i <= config.levels; i++) {
    net = net.put(conv(`conv${i}`, config.channels * 2 ** Math.min(i - 1, 3), 4, 2)).put(leaky({ name: `act${i}`, slope: 0.2 }))
  }
  net = net.put(conv('logits', 1, 3, 1))
  return tf.model({ inputs: input, outputs: net.end, name: 'critic' })
}
