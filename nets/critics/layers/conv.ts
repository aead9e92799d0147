import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../engine.js'
import { type LayerClass, named, only } from '../../layers/layer.js'
import { addBias } from '../../second-order.js'
import { nameSeed } from '../../seed.js'
import { divideBySpectralNorm, powerIteration } from '../../spectral-norm.js'

/** A convolution; tfjs' own layer has no gradient on wasm and computes one too many for a gradient penalty. */
export interface CriticConvConfig {
  name?: string
  filters: number
  kernelSize: number
  stride: number
  padding: 'same' | 'valid'
  bias: boolean
  /** Divides the kernel by its largest singular value (spectral-norm.ts); every call with `training` makes one power iteration. */
  spectral: boolean
  /** Standard deviation of the starting kernel; default: He's for a leaky ReLU of slope 0.2. */
  deviation?: number
  /** Seed of the starting weights; the layer's name is mixed in. */
  seed: number
}

export function criticConvLayer(tf: Tf): LayerClass<CriticConvConfig> {
  return class CriticConv2D extends tf.layers.Layer {
    static className = 'CriticConv2D'
    private readonly config: CriticConvConfig
    private kernel: TF.LayerVariable | undefined
    private biases: TF.LayerVariable | undefined
    private direction: TF.LayerVariable | undefined

    constructor(config: CriticConvConfig) {
      super(named(config))
      this.config = config
    }

    override build(inputShape: TF.Shape | TF.Shape[]): void {
      const { filters, kernelSize: k, bias, spectral, deviation, seed } = this.config
      const channels = (inputShape as TF.Shape)[3]!
      const normal = (stddev: number, what: string) =>
        tf.initializers.randomNormal({ mean: 0, stddev, seed: nameSeed(`${seed}/${this.name}/${what}`) })
      const he = Math.sqrt(2 / ((1 + 0.2 ** 2) * k * k * channels))
      this.kernel = this.addWeight('kernel', [k, k, channels, filters], 'float32', normal(deviation ?? he, 'kernel'))
      if (bias) this.biases = this.addWeight('bias', [filters], 'float32', tf.initializers.zeros())
      // The power iteration gives it length 1.
      if (spectral) this.direction = this.addWeight('direction', [filters], 'float32', normal(1, 'direction'), undefined, false)
      super.build(inputShape)
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      const { filters, kernelSize, stride, padding } = this.config
      const reach = padding === 'same' ? 0 : kernelSize - 1
      const side = (length: number | null) => length && Math.ceil((length - reach) / stride)
      return [shape[0]!, side(shape[1]!), side(shape[2]!), filters] as TF.Shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[], { training }: { training?: boolean }): TF.Tensor {
      return tf.tidy(() => {
        const { stride, padding } = this.config
        const y = tf.conv2d(only(inputs), this.currentKernel(training ?? false), stride, padding)
        return this.biases ? addBias(tf, y, this.biases.read() as TF.Tensor1D) : y
      })
    }

    override getConfig() {
      return { ...super.getConfig(), ...this.config, name: this.name }
    }

    private currentKernel(training: boolean): TF.Tensor4D {
      const kernel = this.kernel!.read() as TF.Tensor4D
      if (!this.direction) return kernel
      const matrix = tf.reshape(kernel, [-1, this.config.filters]) as TF.Tensor2D
      const { u, v } = powerIteration(tf, matrix, this.direction.read() as TF.Tensor1D)
      if (training) this.direction.write(u)
      return divideBySpectralNorm(tf, kernel, u, v)
    }
  }
}
