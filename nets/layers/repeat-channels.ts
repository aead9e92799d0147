import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { type LayerClass, named, only } from './layer.js'

export interface RepeatChannelsConfig {
  name?: string
  times: number
}

export function repeatChannelsLayer(tf: Tf): LayerClass<RepeatChannelsConfig> {
  return class RepeatChannels extends tf.layers.Layer {
    static className = 'RepeatChannels'
    readonly times: number

    constructor(config: RepeatChannelsConfig) {
      super(named(config))
      this.times = config.times
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      return [...shape.slice(0, 3), shape[3]! * this.times] as TF.Shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => tf.tile(only(inputs), [1, 1, 1, this.times]))
    }

    override getConfig() {
      return { ...super.getConfig(), times: this.times }
    }
  }
}
