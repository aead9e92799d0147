import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { type LayerClass, named, only } from './layer.js'

export interface EnlargeConfig {
  name?: string
  scale: number
}

/** How a picture is interpolated. */
interface Interpolation {
  className: string
  /** Pixels that the kernel reaches to each side. */
  reach: number
  /** Weight of a pixel at this distance. */
  at(distance: number): number
}

/** Where the pixels of an enlarged row lie: output pixel scale·x + p is the sum of `weights` over the input pixels from x + `first` on. */
export interface Phase {
  first: number
  weights: number[]
}

/** A layer whose kernel follows from its scale: read by the exporter. */
export interface EnlargeLayer extends TF.layers.Layer {
  readonly scale: number
  readonly reach: number
  /** One a phase, along a row or a column. */
  phases(): Phase[]
  /** [2·reach + 1, 2·reach + 1, 3, 3·scale²] */
  kernel(): TF.Tensor4D
}

/** The cubic of Keys 1981 with a = −0.5, as MATLAB's imresize. */
export const bicubicEnlargeLayer = (tf: Tf) => enlargeLayer(tf, { className: 'BicubicEnlarge', reach: 2, at: cubic })

/** As PyTorch's interpolate with mode bilinear and align_corners false. */
export const bilinearEnlargeLayer = (tf: Tf) =>
  enlargeLayer(tf, { className: 'BilinearEnlarge', reach: 1, at: distance => Math.max(0, 1 - distance) })

function enlargeLayer(tf: Tf, { className, reach, at }: Interpolation): LayerClass<EnlargeConfig> {
  class Enlarge extends tf.layers.Layer implements EnlargeLayer {
    static className = className
    readonly scale: number
    readonly reach = reach

    constructor(config: EnlargeConfig) {
      super(named(config))
      this.scale = config.scale
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      const r = this.scale
      return [shape[0]!, shape[1] && shape[1] * r, shape[2] && shape[2] * r, shape[3]!] as TF.Shape
    }

    phases(): Phase[] {
      return Array.from({ length: this.scale }, (_, phase) => {
        const centre = (phase + 0.5) / this.scale - 0.5
        const pixels = Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach)
        const taps = pixels.map(x => ({ x, weight: at(Math.abs(centre - x)) })).filter(({ weight }) => weight !== 0)
        return { first: taps[0]!.x, weights: taps.map(({ weight }) => weight) }
      })
    }

    kernel(): TF.Tensor4D {
      const r = this.scale
      const side = 2 * reach + 1
      const kernel = tf.buffer([side, side, 3, 3 * r * r])
      for (const [py, rows] of this.phases().entries()) {
        for (const [px, columns] of this.phases().entries()) {
          for (const [i, down] of rows.weights.entries()) {
            for (const [j, across] of columns.weights.entries()) {
              const [y, x] = [rows.first + i + reach, columns.first + j + reach]
              for (let c = 0; c < 3; c++) kernel.set(down * across, y, x, c, (py * r + px) * 3 + c)
            }
          }
        }
      }
      return kernel.toTensor() as TF.Tensor4D
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => {
        const x = only(inputs)
        const [n, h, w, c] = x.shape
        const r = this.scale
        const phases = tf.conv2d(this.extended(this.extended(x, 1), 2), this.kernel(), 1, 'valid')
        return tf.transpose(tf.reshape(phases, [n * h, w, r, r * c]), [0, 2, 1, 3]).reshape([n, h * r, w * r, c])
      })
    }

    override getConfig() {
      return { ...super.getConfig(), scale: this.scale }
    }

    /** The first and the last row (or column) repeated as far as the kernel reaches. */
    private extended(x: TF.Tensor4D, axis: 1 | 2): TF.Tensor4D {
      const length = x.shape[axis]
      const line = (at: number) => {
        const begin = [0, 0, 0, 0]
        const size = x.shape.slice()
        begin[axis] = at
        size[axis] = 1
        return Array<TF.Tensor4D>(reach).fill(tf.slice(x, begin, size))
      }
      return tf.concat([...line(0), x, ...line(length - 1)], axis)
    }
  }
  return Enlarge
}

function cubic(x: number): number {
  if (x <= 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1
  return x < 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0
}
