import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import type { Tf } from '../engine.js'
import { layersOf } from '../layers.js'

export const fastSchema = z.strictObject({
  kind: z.literal('fast'),
  channels: z.int().min(1).max(512).default(32).describe('feature channels; multiples of 16 run best'),
  blocks: z.int().min(0).max(64).default(11).describe('3×3 convolutions between the first and the last'),
  slope: z.number().min(0).max(1).default(0.1).describe('slope of the leaky ReLU'),
  expansion: z.int().min(0).max(1024).default(64).describe('inner width of the collapsible kernels in training; 0: plain kernels'),
})

/**
 * The compact generator: a chain of 3×3 convolutions, each with the input added in weight space, one long skip,
 * a pixel shuffle, and the input added back enlarged. After SESR (Bhardwaj et al. 2022, figure 2), in RGB, with a
 * leaky ReLU of one fixed slope so that ONNX Runtime fuses it into the convolution.
 *
 *   in ─ conv ─┬─ conv × blocks ─ (+) ─ conv ─ (+) ─ pixel shuffle ─ out
 *     │        └───────────────────┘            │
 *     └──────────── repeated scale² times ──────┘
 *
 * Float NHWC [n,h,w,3] in [0,1] → [n,h·scale,w·scale,3], unclamped.
 */
export function fastGenerator(tf: Tf, config: z.infer<typeof fastSchema>, scale: number, seed: number): TF.LayersModel {
  const { pixelShuffle, repeatChannels, collapsibleConv } = layersOf(tf)
  const { channels, blocks, slope, expansion } = config
  const conv = (name: string, filters: number, options: { identity?: boolean; slope: number; gain: number }) =>
    collapsibleConv({ name, filters, kernelSize: 3, expansion, seed, identity: false, ...options })

  const input = tf.input({ shape: [null, null, 3], name: 'image' })
  const first = conv('first', channels, { slope, gain: 1 }).apply(input) as TF.SymbolicTensor
  let features = first
  for (let i = 1; i <= blocks; i++) {
    // Near the identity at the start, so that the depth of the chain neither swells nor starves the signal.
    features = conv(`block${i}`, channels, { slope, identity: true, gain: 0.3 }).apply(features) as TF.SymbolicTensor
  }
  const skipped = tf.layers.add({ name: 'skip' }).apply([features, first]) as TF.SymbolicTensor
  const details = conv('last', 3 * scale ** 2, { slope: 1, gain: 0.1 }).apply(skipped) as TF.SymbolicTensor
  const enlarged = repeatChannels({ name: 'enlarged', times: scale ** 2 }).apply(input) as TF.SymbolicTensor
  const sum = tf.layers.add({ name: 'sum' }).apply([details, enlarged]) as TF.SymbolicTensor
  const output = pixelShuffle({ name: 'shuffle', scale }).apply(sum) as TF.SymbolicTensor
  return tf.model({ inputs: input, outputs: output, name: 'fast' })
}
