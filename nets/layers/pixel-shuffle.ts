import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { type LayerClass, named, only } from './layer.js'

export interface PixelShuffleConfig {
  name?: string
  scale: number
}

export function pixelShuffleLayer(tf: Tf): LayerClass<PixelShuffleConfig> {
  return class PixelShuffle extends tf.layers.Layer {
    static className = 'PixelShuffle'
    readonly scale: number

    constructor(config: PixelShuffleConfig) {
      super(named(config))
      this.scale = config.scale
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      const r = this.scale
      return [shape[0]!, shape[1] && shape[1] * r, shape[2] && shape[2] * r, shape[3]! / r ** 2] as TF.Shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => {
        const x = only(inputs)
        const [n, h, w, channels] = x.shape
        const r = this.scale
        const c = channels / r ** 2
        // [n,h,w,ry,rx,c] → [n,h,ry,w,rx,c]; ry and h, rx and w then merge. n·h and rx·c are already together: four axes do.
        return tf.transpose(tf.reshape(x, [n * h, w, r, r * c]), [0, 2, 1, 3]).reshape([n, h * r, w * r, c])
      })
    }

    override getConfig() {
      return { ...super.getConfig(), scale: this.scale }
    }
  }
}

/** The way back: see `Layers.pixelUnshuffle`. */
export function pixelUnshuffleLayer(tf: Tf): LayerClass<PixelShuffleConfig> {
  return class PixelUnshuffle extends tf.layers.Layer {
    static className = 'PixelUnshuffle'
    readonly scale: number

    constructor(config: PixelShuffleConfig) {
      super(named(config))
      this.scale = config.scale
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      const r = this.scale
      return [shape[0]!, shape[1] && shape[1] / r, shape[2] && shape[2] / r, shape[3]! * r ** 2] as TF.Shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => {
        const x = only(inputs)
        const [n, height, width, c] = x.shape
        const r = this.scale
        const [h, w] = [height / r, width / r]
        return tf.transpose(tf.reshape(x, [n * h, r, w, r * c]), [0, 2, 1, 3]).reshape([n, h, w, r * r * c])
      })
    }

    override getConfig() {
      return { ...super.getConfig(), scale: this.scale }
    }
  }
}
