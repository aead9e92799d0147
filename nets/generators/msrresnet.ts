import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import type { Tf } from '../engine.js'
import { layersOf } from '../layers.js'
import { chain, enlargements, picture } from './chain.js'

export const msrresnetSchema = z.strictObject({
  kind: z.literal('msrresnet'),
  channels: z.int().min(1).max(512).default(64).describe("feature channels, BasicSR's num_feat"),
  blocks: z.int().min(0).max(128).default(16).describe("residual blocks, BasicSR's num_block"),
})

const SLOPE = 0.1

/**
 * BasicSR's MSRResNet, an SRResNet without norms whose answer is added to the picture enlarged bilinearly:
 * https://github.com/XPixelGroup/BasicSR/blob/v1.4.2/basicsr/archs/srresnet_arch.py (no paper describes it).
 *
 *   in ─┬─ conv ─ act ─ block × 16 ─ [conv ─ pixel shuffle ×2 ─ act] × 2 ─ conv ─ act ─ conv ─ (+) ─ out
 *       └────────────────────────────────── bilinear ──────────────────────────────────────────┘
 *   block: x + conv(ReLU(conv(x)))
 *
 * Layers have its names; the channels before a shuffle stand as (row, column, channel), PyTorch's as (channel, row, column).
 * Float NHWC [n,h,w,3] in [0,1] → [n,h·scale,w·scale,3], unclamped.
 */
export function msrresnetGenerator(tf: Tf, config: z.infer<typeof msrresnetSchema>, scale: number, seed: number): TF.LayersModel {
  const layers = layersOf(tf)
  const { channels, blocks } = config
  const conv = (name: string, options: { filters?: number; slope?: number; gain?: number } = {}) =>
    layers.conv({ name, filters: channels, kernelSize: 3, gain: 0.1, seed, ...options })

  const input = picture(tf)
  let net = chain(tf, input).put(conv('conv_first', { slope: SLOPE, gain: 1 }))
  for (let i = 0; i < blocks; i++) {
    const change = net.put(conv(`body.${i}.conv1`, { slope: 0 })).put(conv(`body.${i}.conv2`))
    net = change.add(net.end, `body.${i}.add`)
  }
  for (const [i, factor] of enlargements(scale).entries()) {
    // A leaky ReLU does not mind in which order its numbers stand.
    net = net
      .put(conv(`upconv${i + 1}`, { filters: channels * factor ** 2, slope: SLOPE, gain: 1 }))
      .put(layers.pixelShuffle({ name: `shuffle${i + 1}`, scale: factor }))
  }
  net = net.put(conv('conv_hr', { slope: SLOPE, gain: 1 })).put(conv('conv_last', { filters: 3 }))
  const base = scale === 1 ? input : (layers.bilinearEnlarge({ name: 'bilinear', scale }).apply(input) as TF.SymbolicTensor)
  return tf.model({ inputs: input, outputs: net.add(base, 'sum').end, name: 'msrresnet' })
}
