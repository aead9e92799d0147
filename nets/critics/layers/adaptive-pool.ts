import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../engine.js'
import { type LayerClass, named, only } from '../../layers/layer.js'

export interface AdaptivePoolConfig {
  name?: string
  side: number
}

export function adaptivePoolLayer(tf: Tf): LayerClass<AdaptivePoolConfig> {
  return class AdaptivePool extends tf.layers.Layer {
    static className = 'AdaptiveAveragePooling2D'
    private readonly side: number

    constructor(config: { side: number; name?: string }) {
      super(named(config))
      this.side = config.side
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      return [shape[0]!, this.side, this.side, shape[3]!] as TF.Shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => this.along(this.along(only(inputs), 1), 2))
    }

    override getConfig() {
      return { ...super.getConfig(), side: this.side }
    }

    private along(x: TF.Tensor4D, axis: 1 | 2): TF.Tensor4D {
      const length = x.shape[axis]
      if (length === this.side) return x
      const windows = Array.from({ length: this.side }, (_, i) => {
        const [from, to] = [Math.floor((i * length) / this.side), Math.ceil(((i + 1) * length) / this.side)]
        const [begin, size] = [[0, 0, 0, 0], x.shape.slice()]
        begin[axis] = from
        size[axis] = to - from
        return tf.slice(x, begin, size).mean(axis, true) as TF.Tensor4D
      })
      return tf.concat(windows, axis)
    }
  }
}
