import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { nameSeed } from '../seed.js'
import { type LayerClass, named, only } from './layer.js'

export interface StridedConvConfig {
  name?: string
  filters: number
  kernelSize: number
  stride: number
  /** Standard deviation of the starting kernel. */
  deviation: number
  /** Seed of the starting weights; the layer's name is mixed in. */
  seed: number
}

export function stridedConvLayer(tf: Tf): LayerClass<StridedConvConfig> {
  class StridedConv2D extends tf.layers.Layer {
    static className = 'StridedConv2D'
    readonly config: StridedConvConfig
    kernel: TF.LayerVariable | undefined

    constructor(config: StridedConvConfig) {
      super(named(config))
      this.config = config
    }

    override build(inputShape: TF.Shape | TF.Shape[]): void {
      const { filters, kernelSize: k, deviation, seed } = this.config
      const initial = tf.initializers.randomNormal({ mean: 0, stddev: deviation, seed: nameSeed(`${seed}/${this.name}/kernel`) })
      this.kernel = this.addWeight('kernel', [k, k, (inputShape as TF.Shape)[3]!, filters], 'float32', initial)
      super.build(inputShape)
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      const { filters, stride } = this.config
      return [shape[0]!, shape[1] && Math.ceil(shape[1] / stride), shape[2] && Math.ceil(shape[2] / stride), filters] as TF.Shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => tf.conv2d(only(inputs), this.kernel!.read() as TF.Tensor4D, this.config.stride, 'same'))
    }

    override getConfig() {
      return { ...super.getConfig(), ...this.config, name: this.name }
    }
  }
  return StridedConv2D
}
