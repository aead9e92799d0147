import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import type { Tf } from '../engine.js'
import { layersOf } from '../layers.js'
import { chain, picture } from './chain.js'

export const srvggSchema = z.strictObject({
  kind: z.literal('srvgg'),
  channels: z.int().min(1).max(512).default(64).describe("feature channels, BasicSR's num_feat"),
  blocks: z.int().min(0).max(128).default(16).describe("convolutions between the first and the last, BasicSR's num_conv"),
  activation: z
    .enum(['prelu', 'leaky-relu', 'relu'])
    .default('prelu')
    .describe("BasicSR's act_type; leaky-relu (0.1) and relu run fused in ONNX Runtime"),
})

/**
 * Real-ESRGAN's compact network, SRVGGNetCompact: a plain chain of 3×3 convolutions whose answer is added to the picture enlarged by
 * nearest neighbour. https://github.com/xinntao/Real-ESRGAN/blob/v0.3.0/realesrgan/archs/srvgg_arch.py (no paper describes it).
 *
 *   in ─┬─ conv ─ act ─ [conv ─ act] × blocks ─ conv ─ pixel shuffle ─ (+) ─ out
 *       └──────────────────────── nearest ─────────────────────────────┘
 *
 * Layers have its names: `body.2` is its `body.2.weight`; the channels of the last one stand as (row, column, colour), PyTorch's as
 * (colour, row, column). Float NHWC [n,h,w,3] in [0,1] → [n,h·scale,w·scale,3], unclamped.
 */
export function srvggGenerator(tf: Tf, config: z.infer<typeof srvggSchema>, scale: number, seed: number): TF.LayersModel {
  const { conv, channelPrelu, repeatChannels, pixelShuffle } = layersOf(tf)
  const { channels, blocks, activation } = config
  const slope = { prelu: 1, 'leaky-relu': 0.1, relu: 0 }[activation]
  const input = picture(tf)
  let net = chain(tf, input)
  for (let i = 0; i <= blocks; i++) {
    net = net.put(conv({ name: `body.${2 * i}`, filters: channels, kernelSize: 3, slope, gain: 1, seed }))
    if (activation === 'prelu') net = net.put(channelPrelu({ name: `body.${2 * i + 1}` }))
  }
  net = net.put(conv({ name: `body.${2 * blocks + 2}`, filters: 3 * scale ** 2, kernelSize: 3, gain: 0.1, seed }))
  const nearest = repeatChannels({ name: 'nearest', times: scale ** 2 }).apply(input) as TF.SymbolicTensor
  // Added before the shuffle, which only moves numbers about.
  net = net.add(nearest, 'sum').put(pixelShuffle({ name: 'shuffle', scale }))
  return tf.model({ inputs: input, outputs: net.end, name: 'srvgg' })
}
