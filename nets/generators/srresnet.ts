import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import type { Tf } from '../engine.js'
import { layersOf } from '../layers.js'
import { type Chain, chain, enlargements, picture } from './chain.js'

export const srresnetSchema = z.strictObject({
  kind: z.literal('srresnet'),
  channels: z.int().min(1).max(512).default(64).describe('feature channels'),
  blocks: z.int().min(0).max(128).default(16).describe('residual blocks'),
  norm: z
    .enum(['batch', 'instance', 'none'])
    .default('batch')
    .describe("batch: the paper's; instance: the model runs on whole pictures only; none: EDSR's form, ReLU and 3×3 ends"),
  residualScale: z.number().positive().max(1).default(1).describe('factor of what a block adds; 0.1 for 256 channels (EDSR, section 3.3)'),
  mean: z
    .tuple([z.number(), z.number(), z.number()])
    .optional()
    .describe("colour that is subtracted at the start and added at the end: EDSR's mean shift"),
})

/**
 * The generator of SRGAN: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network",
 * CVPR 2017, figure 4.
 *
 *   in ─ conv 9×9 ─ PReLU ─┬─ block × 16 ─ conv ─ norm ─ (+) ─ [conv ─ pixel shuffle ×2 ─ PReLU] × 2 ─ conv 9×9 ─ out
 *                          └──────────────────────────────┘
 *   block: ─┬─ conv ─ norm ─ PReLU ─ conv ─ norm ─ (+) ─
 *           └───────────────────────────────────────┘
 *
 * Without norm it takes the form of EDSR's baseline: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution",
 * CVPRW 2017, figures 2 and 3: 3×3 ends, ReLU inside the blocks, no activation elsewhere.
 * A PReLU has one slope a channel. Float NHWC [n,h,w,3] in [0,1] → [n,h·scale,w·scale,3], unclamped.
 */
export function srresnetGenerator(tf: Tf, config: z.infer<typeof srresnetSchema>, scale: number, seed: number): TF.LayersModel {
  const layers = layersOf(tf)
  const { channels, blocks, norm, residualScale, mean } = config
  const plain = norm === 'none'
  const ends = plain ? 3 : 9
  const conv = (name: string, options: { filters?: number; kernelSize?: number; slope?: number; gain?: number } = {}) =>
    layers.conv({ name, filters: channels, kernelSize: 3, gain: 1, seed, ...options })
  // Where no norm does it, small numbers keep the sum of all blocks near what enters the first (ESRGAN, section 3.1; BasicSR).
  const branch = { gain: plain ? 0.1 : 1 }

  const input = picture(tf)
  const first = activated(shifted(chain(tf, input), -1, 'sub_mean').put(conv('conv_first', { kernelSize: ends })), 'act_first')
  let net = first
  for (let i = 0; i < blocks; i++) net = block(net, `body.${i}`)
  net = normalized(net.put(conv('conv_body', branch)), 'norm_body').add(first.end, 'skip')
  for (const [i, factor] of enlargements(scale).entries()) {
    const shuffled = net
      .put(conv(`upconv${i + 1}`, { filters: channels * factor ** 2 }))
      .put(layers.pixelShuffle({ name: `shuffle${i + 1}`, scale: factor }))
    net = activated(shuffled, `act_up${i + 1}`)
  }
  net = shifted(net.put(conv('conv_last', { filters: 3, kernelSize: ends, gain: 0.1 })), 1, 'add_mean')
  return tf.model({ inputs: input, outputs: net.end, name: 'srresnet' })

  function block(start: Chain, name: string): Chain {
    const inner = plain
      ? start.put(conv(`${name}.conv1`, { ...branch, slope: 0 }))
      : normalized(start.put(conv(`${name}.conv1`)), `${name}.norm1`).put(layers.channelPrelu({ name: `${name}.act` }))
    const change = normalized(inner.put(conv(`${name}.conv2`, branch)), `${name}.norm2`)
    const scaled = residualScale === 1 ? change : change.put(layers.affine({ name: `${name}.scale`, factor: residualScale }))
    return scaled.add(start.end, `${name}.add`)
  }

  function normalized(net: Chain, name: string): Chain {
    if (norm === 'none') return net
    return net.put(norm === 'batch' ? layers.batchNorm({ name }) : layers.instanceNorm({ name }))
  }

  function shifted(net: Chain, sign: 1 | -1, name: string): Chain {
    return mean ? net.put(layers.affine({ name, factor: 1, offset: mean.map(colour => sign * colour) })) : net
  }

  function activated(net: Chain, name: string): Chain {
    return plain ? net : net.put(layers.channelPrelu({ name }))
  }
}
