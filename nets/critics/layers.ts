import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { type AdaptivePoolConfig, adaptivePoolLayer } from './layers/adaptive-pool.js'
import { type CriticConvConfig, criticConvLayer } from './layers/conv.js'
import { type LeakyConfig, leakyLayer } from './layers/leaky.js'
import { type UpsampleConfig, upsampleLayer } from './layers/upsample.js'

/** The layers that only critics are made of; see nets/layers.ts. They can be differentiated any number of times. */
export interface CriticLayers {
  /** A convolution; see CriticConvConfig. */
  criticConv(config: CriticConvConfig): TF.layers.Layer
  /** Leaky ReLU of one slope. */
  leaky(config: LeakyConfig): TF.layers.Layer
  /**
   * [n,h,w,c] → [n,side,side,c]: averages over side × side windows that cover the map evenly, window i of a side of h pixels being
   * ⌊i·h/side⌋ … ⌈(i+1)·h/side⌉; a map smaller than that is repeated. PyTorch's AdaptiveAvgPool2d.
   */
  adaptivePool(config: AdaptivePoolConfig): TF.layers.Layer
  /** Twice the size, half-pixel centres as in PyTorch's interpolate; the gradient of tfjs' own resizeBilinear with half-pixel centres is wrong on every engine. */
  upsample(config: UpsampleConfig): TF.layers.Layer
}

const made = new WeakMap<Tf, CriticLayers>()

export function criticLayersOf(tf: Tf): CriticLayers {
  const layers = made.get(tf) ?? define(tf)
  made.set(tf, layers)
  return layers
}

function define(tf: Tf): CriticLayers {
  const CriticConv2D = criticConvLayer(tf)
  const Leaky = leakyLayer(tf)
  const AdaptivePool = adaptivePoolLayer(tf)
  const Upsample = upsampleLayer(tf)
  for (const layer of [CriticConv2D, Leaky, AdaptivePool, Upsample]) tf.serialization.registerClass(layer as never)
  return {
    criticConv: config => new CriticConv2D(config),
    leaky: config => new Leaky(config),
    adaptivePool: config => new AdaptivePool(config),
    upsample: config => new Upsample(config),
  }
}
