import type * as TF from '@tensorflow/tfjs'
import { convBiasLeakyRelu } from '../conv-bias.js'
import type { Tf } from '../engine.js'
import { nameSeed } from '../seed.js'
import { type LayerClass, named, only } from './layer.js'

export interface CollapsibleConfig {
  name?: string
  filters: number
  kernelSize: number
  /** Channels between the two factors of the kernel; 0: one plain kernel. */
  expansion: number
  /** Adds the input to the convolution, before the activation, by adding 1 to the kernel's centre. */
  identity: boolean
  /** Slope of the leaky ReLU below zero; 0: ReLU, 1: none. */
  slope: number
  /** Standard deviation of the starting kernel relative to He's initialisation. */
  gain: number
  /** Seed of the starting weights; the layer's name is mixed in. */
  seed: number
}

/** One convolution in the usual form: what a collapsible layer amounts to. */
export interface Collapsed {
  /** [kh, kw, in, out] */
  kernel: TF.Tensor4D
  /** [out] */
  bias: TF.Tensor1D
}

/** A layer that is a plain convolution (and a leaky ReLU) once its weights are collapsed: read by the exporter. */
export interface CollapsibleLayer extends TF.layers.Layer {
  collapsed(): Collapsed
  readonly slope: number
}

/**
 * A kernel that is the product of two in training: kernel = A·B, A [k,k,in,expansion] and B [expansion,out],
 * plus 1 at the centre where the input is added. Bhardwaj et al., "Collapsible Linear Blocks for
 * Super-Efficient Super Resolution" (SESR), MLSys 2022, section 3. One convolution runs, in training and
 * after; the gradient reaches A and B through the product.
 */
export function collapsibleConvLayer(tf: Tf): LayerClass<CollapsibleConfig> {
  const centre = (k: number, channels: number): TF.Tensor4D => {
    const middle = (k - 1) / 2
    return tf.pad(tf.eye(channels).reshape([1, 1, channels, channels]) as TF.Tensor4D, [
      [middle, middle],
      [middle, middle],
      [0, 0],
      [0, 0],
    ])
  }

  class CollapsibleConv2D extends tf.layers.Layer implements CollapsibleLayer {
    static className = 'CollapsibleConv2D'
    private readonly config: CollapsibleConfig
    private parts: { expand: TF.LayerVariable; project: TF.LayerVariable | undefined; bias: TF.LayerVariable } | undefined
    private inputChannels = 0

    constructor(config: CollapsibleConfig) {
      super(named(config))
      this.config = config
    }

    get slope(): number {
      return this.config.slope
    }

    override build(inputShape: TF.Shape | TF.Shape[]): void {
      const { filters, kernelSize: k, expansion, gain, seed } = this.config
      const channels = (inputShape as TF.Shape)[3]!
      this.inputChannels = channels
      const normal = (stddev: number, seed: number) => tf.initializers.randomNormal({ mean: 0, stddev, seed })
      const he = gain * Math.sqrt(2 / (k * k * channels))
      // The product of two independent factors has the variance expansion·var(A)·var(B): B has 1/expansion.
      const expand = this.addWeight(
        'expand',
        [k, k, channels, expansion || filters],
        'float32',
        normal(he, nameSeed(`${seed}/${this.name}/expand`)),
      )
      const project = expansion
        ? this.addWeight(
            'project',
            [expansion, filters],
            'float32',
            normal(Math.sqrt(1 / expansion), nameSeed(`${seed}/${this.name}/project`)),
          )
        : undefined
      const bias = this.addWeight('bias', [filters], 'float32', tf.initializers.zeros())
      this.parts = { expand, project, bias }
      super.build(inputShape)
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      return [...shape.slice(0, 3), this.config.filters] as TF.Shape
    }

    collapsed(): Collapsed {
      const { expand, project, bias } = this.parts!
      const { filters, kernelSize: k, identity } = this.config
      const kernel = tf.tidy(() => {
        const a = expand.read() as TF.Tensor4D
        const product = project
          ? tf.matMul(a.reshape([-1, a.shape[3]]), project.read() as TF.Tensor2D).reshape([k, k, this.inputChannels, filters])
          : a
        return (identity ? tf.add(product, centre(k, filters)) : product.clone()) as TF.Tensor4D
      })
      return { kernel, bias: bias.read() as TF.Tensor1D }
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => {
        const { kernel, bias } = this.collapsed()
        return convBiasLeakyRelu(tf, only(inputs), kernel, bias, this.config.slope)
      })
    }

    override getConfig() {
      return { ...super.getConfig(), ...this.config, name: this.name }
    }
  }
  return CollapsibleConv2D
}
