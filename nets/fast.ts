import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'
import { layersOf } from './layers.js'

export interface FastConfig {
  kind: 'fast'
  /** Input and output colour channels. */
  colours: 3
  /** Feature channels; multiples of 16 run best. */
  channels: number
  /** 3×3 convolutions between the first and the last. */
  blocks: number
  /** Slope of the leaky ReLU. */
  slope: number
  /** Inner width of the collapsible kernels in training; 0: plain kernels. */
  expansion: number
}

/** What a runtime and a card need to know of a generator. */
export interface NetworkFacts {
  /** Radius in input pixels. */
  receptiveField: number
  sizeMultiple: number
  /** Numbers in the exported graph that were learned. */
  parameters: number
  /** Per input pixel, a multiply-add counting as two. */
  flopsPerPixel: number
}

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
export function fastGenerator(tf: Tf, config: FastConfig, scale: number, seed: number): TF.LayersModel {
  const { pixelShuffle, repeatChannels, collapsibleConv } = layersOf(tf)
  const { channels, blocks, slope, expansion, colours } = config
  const conv = (name: string, filters: number, options: { identity?: boolean; slope: number; gain: number }) =>
    collapsibleConv({ name, filters, kernelSize: 3, expansion, seed, identity: false, ...options })

  const input = tf.input({ shape: [null, null, colours], name: 'image' })
  const first = conv('first', channels, { slope, gain: 1 }).apply(input) as TF.SymbolicTensor
  let features = first
  for (let i = 1; i <= blocks; i++) {
    // Near the identity at the start, so that the depth of the chain neither swells nor starves the signal.
    features = conv(`block${i}`, channels, { slope, identity: true, gain: 0.3 }).apply(features) as TF.SymbolicTensor
  }
  const skipped = tf.layers.add({ name: 'skip' }).apply([features, first]) as TF.SymbolicTensor
  const details = conv('last', colours * scale ** 2, { slope: 1, gain: 0.1 }).apply(skipped) as TF.SymbolicTensor
  const enlarged = repeatChannels({ name: 'enlarged', times: scale ** 2 }).apply(input) as TF.SymbolicTensor
  const sum = tf.layers.add({ name: 'sum' }).apply([details, enlarged]) as TF.SymbolicTensor
  const output = pixelShuffle({ name: 'shuffle', scale }).apply(sum) as TF.SymbolicTensor
  return tf.model({ inputs: input, outputs: output, name: 'fast' })
}

export function fastFacts({ channels, blocks, colours }: FastConfig, scale: number): NetworkFacts {
  const last = colours * scale ** 2
  const kernels = 9 * (colours * channels + blocks * channels ** 2 + channels * last)
  return {
    receptiveField: blocks + 2,
    sizeMultiple: 1,
    parameters: kernels + channels * (blocks + 1) + last,
    flopsPerPixel: 2 * kernels,
  }
}
