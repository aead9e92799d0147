import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../engine.js'
import { type LayerClass, named, only } from '../../layers/layer.js'
import { leakyRelu } from '../../second-order.js'

export interface LeakyConfig {
  name?: string
  slope: number
}

export function leakyLayer(tf: Tf): LayerClass<LeakyConfig> {
  return class Leaky extends tf.layers.Layer {
    static className = 'CriticLeakyReLU'
    private readonly slope: number

    constructor(config: { slope: number; name?: string }) {
      super(named(config))
      this.slope = config.slope
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      return shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return leakyRelu<TF.Tensor>(tf, only(inputs), this.slope)
    }

    override getConfig() {
      return { ...super.getConfig(), slope: this.slope }
    }
  }
}
