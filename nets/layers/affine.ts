import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { type LayerClass, named, only } from './layer.js'

export interface AffineConfig {
  name?: string
  factor: number
  /** One for all channels, or one for each. */
  offset?: number | number[]
}

export function affineLayer(tf: Tf): LayerClass<AffineConfig> {
  return class Affine extends tf.layers.Layer {
    static className = 'Affine'
    readonly factor: number
    readonly offset: number | number[]

    constructor(config: AffineConfig) {
      super(named(config))
      this.factor = config.factor
      this.offset = config.offset ?? 0
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      return shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => {
        const scaled = tf.mul(only(inputs), this.factor)
        return this.offset === 0 ? scaled : tf.add(scaled, tf.tensor(this.offset))
      })
    }

    override getConfig() {
      return { ...super.getConfig(), factor: this.factor, offset: this.offset }
    }
  }
}
