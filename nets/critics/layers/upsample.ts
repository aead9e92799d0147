import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../engine.js'
import { type LayerClass, named, only } from '../../layers/layer.js'

export interface UpsampleConfig {
  name?: string
  mode: 'bilinear' | 'nearest'
}

export function upsampleLayer(tf: Tf): LayerClass<UpsampleConfig> {
  return class Upsample extends tf.layers.Layer {
    static className = 'Upsample2x'
    private readonly mode: 'bilinear' | 'nearest'

    constructor(config: { mode: 'bilinear' | 'nearest'; name?: string }) {
      super(named(config))
      this.mode = config.mode
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      return [shape[0]!, shape[1] && shape[1] * 2, shape[2] && shape[2] * 2, shape[3]!] as TF.Shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => this.along(this.along(only(inputs), 2), 1))
    }

    override getConfig() {
      return { ...super.getConfig(), mode: this.mode }
    }

    private along(x: TF.Tensor4D, axis: 1 | 2): TF.Tensor4D {
      if (this.mode === 'nearest') return interleave(tf, x, x, axis)
      const near = tf.mul(x, 0.75) as TF.Tensor4D
      const far = tf.mul(x, 0.25) as TF.Tensor4D
      const [first, others] = split(tf, far, axis, 1)
      const [rest, last] = split(tf, far, axis, x.shape[axis] - 1)
      // Beyond the border stands the border.
      return interleave(tf, tf.add(near, tf.concat([first, rest], axis)), tf.add(near, tf.concat([others, last], axis)), axis)
    }
  }
}

/** a₀ b₀ a₁ b₁ … */
function interleave(tf: Tf, a: TF.Tensor4D, b: TF.Tensor4D, axis: 1 | 2): TF.Tensor4D {
  const [n, h, w, c] = a.shape
  const lines = axis === 1 ? [n * h, 1, w * c] : [n * h * w, 1, c]
  const both = tf.concat([a.reshape(lines), b.reshape(lines)], 1)
  return both.reshape(axis === 1 ? [n, 2 * h, w, c] : [n, h, 2 * w, c])
}

function split(tf: Tf, x: TF.Tensor4D, axis: 1 | 2, at: number): [TF.Tensor4D, TF.Tensor4D] {
  return tf.split(x, [at, x.shape[axis] - at], axis) as [TF.Tensor4D, TF.Tensor4D]
}
