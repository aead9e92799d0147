import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import { UprezError } from '../../errors.js'
import type { Tf } from '../engine.js'
import { type Chain, chain } from '../generators/chain.js'
import { criticLayersOf } from './layers.js'

export const unetSchema = z.strictObject({
  kind: z.literal('unet'),
  channels: z.int().min(1).max(512).default(64).describe('of the first convolution; the innermost has eight times as many'),
  upsampling: z.enum(['bilinear', 'nearest']).default('bilinear'),
})

/**
 * The U-Net critic with spectral normalisation of Real-ESRGAN: Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution
 * with Pure Synthetic Data", ICCV workshops 2021, section 3.4 (layer by layer as in the authors' code). One logit a pixel.
 *
 *   in ─ conv0 ─┬─ conv1 ─┬─ conv2 ─┬─ conv3 ─ up1 ─ conv4 ─ (+) ─ up2 ─ conv5 ─ (+) ─ up3 ─ conv6 ─ (+) ─ conv7 ─ conv8 ─ logits
 *               │         │         └──────────────────────skip1┘                  │                   │
 *               │         └───────────────────────────────────────────────────skip2┘                   │
 *               └─────────────────────────────────────────────────────────────────────────────────skip3┘
 *
 * Each conv<i> is followed by its leaky ReLU, act<i>. [n,side,side,3] in [0,1] → [n,side,side,1].
 * @throws UprezError `invalid-option` where the side is no multiple of 8
 */
export function unetCritic(tf: Tf, config: z.infer<typeof unetSchema>, side: number, seed: number): TF.LayersModel {
  if (side % 8 !== 0) {
    throw new UprezError('invalid-option', `the unet critic halves the picture three times: ${side} pixels a side is no multiple of 8`, {
      param: 'critic.kind',
      expected: 'data.patch × scale a multiple of 8',
      got: String(side),
    })
  }
  const { criticConv, leaky, upsample } = criticLayersOf(tf)
  const { channels, upsampling } = config
  const conv = (net: Chain, i: number, filters: number, kernelSize: number, stride: number) => {
    const first = i === 0
    const config = { name: `conv${i}`, filters, kernelSize, stride, padding: 'same', bias: first, spectral: !first, seed } as const
    return net.put(criticConv(config)).put(leaky({ name: `act${i}`, slope: 0.2 }))
  }
  const up = (net: Chain, i: number, filters: number, skip: Chain) =>
    conv(net.put(upsample({ name: `up${i}`, mode: upsampling })), i + 3, filters, 3, 1).add(skip.end, `skip${i}`)

  const input = tf.input({ shape: [side, side, 3], name: 'image' })
  const net0 = conv(chain(tf, input), 0, channels, 3, 1)
  const net1 = conv(net0, 1, channels * 2, 4, 2)
  const net2 = conv(net1, 2, channels * 4, 4, 2)
  const net3 = conv(net2, 3, channels * 8, 4, 2)
  const net4 = up(net3, 1, channels * 4, net2)
  const net5 = up(net4, 2, channels * 2, net1)
  const net6 = up(net5, 3, channels, net0)
  const net8 = conv(conv(net6, 7, channels, 3, 1), 8, channels, 3, 1)
  const last = { name: 'logits', filters: 1, kernelSize: 3, stride: 1, padding: 'same', bias: true, spectral: false, seed } as const
  return tf.model({ inputs: input, outputs: net8.put(criticConv(last)).end, name: 'critic' })
}
