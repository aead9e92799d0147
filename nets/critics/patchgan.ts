import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import { UprezError } from '../../errors.js'
import type { Tf } from '../engine.js'
import { type Chain, chain } from '../generators/chain.js'
import { layersOf } from '../layers.js'
import { criticLayersOf } from './layers.js'

export const patchganSchema = z.strictObject({
  kind: z.literal('patchgan'),
  channels: z.int().min(1).max(512).default(64).describe('of the first convolution; each level doubles them, eight times at most'),
  levels: z.int().min(1).max(5).default(3).describe('convolutions of stride 2; 3: each logit sees 70×70 pixels'),
  norm: z.enum(['batch', 'instance']).default('batch'),
})

/** Standard deviation of the starting kernels: Isola et al., section 6.2. */
const DEVIATION = 0.02

/**
 * PatchGAN: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, section 6.1.2. 4×4
 * convolutions, `levels` of stride 2 and two of stride 1, a border of one zero around each, a norm after all but the first and the last.
 *
 *   in ─ conv1 ─ act1 ─ conv2 ─ norm2 ─ act2 ─ conv3 ─ norm3 ─ act3 ─ conv4 ─ norm4 ─ act4 ─ logits
 *
 * [n,side,side,3] in [0,1] → one logit a patch, [n,h,h,1]; h is side/2^levels − 2, 30 for 256 pixels.
 * @throws UprezError `invalid-option` where the picture is smaller than that
 */
export function patchganCritic(tf: Tf, config: z.infer<typeof patchganSchema>, side: number, seed: number): TF.LayersModel {
  const { channels, levels, norm } = config
  if (side < 3 * 2 ** levels) {
    throw new UprezError('invalid-option', `the patchgan critic of ${levels} levels needs ${3 * 2 ** levels} pixels a side, not ${side}`, {
      param: 'critic.levels',
      expected: `data.patch × scale of ${3 * 2 ** levels} or more, or fewer levels`,
      got: String(side),
    })
  }
  const { criticConv, leaky } = criticLayersOf(tf)
  const { batchNorm, instanceNorm } = layersOf(tf)
  const normalise = norm === 'batch' ? batchNorm : instanceNorm
  const conv = (net: Chain, name: string, filters: number, stride: number, bias: boolean) =>
    net
      .put(tf.layers.zeroPadding2d({ name: `${name}_border`, padding: 1 }))
      .put(criticConv({ name, filters, kernelSize: 4, stride, padding: 'valid', bias, spectral: false, deviation: DEVIATION, seed }))

  const input = tf.input({ shape: [side, side, 3], name: 'image' })
  let net = chain(tf, input)
  for (let i = 1; i <= levels + 1; i++) {
    net = conv(net, `conv${i}`, channels * 2 ** Math.min(i - 1, 3), i <= levels ? 2 : 1, i === 1)
    if (i > 1) net = net.put(normalise({ name: `norm${i}` }))
    net = net.put(leaky({ name: `act${i}`, slope: 0.2 }))
  }
  return tf.model({ inputs: input, outputs: conv(net, 'logits', 1, 1, true).end, name: 'critic' })
}
