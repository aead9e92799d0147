import type * as TF from '@tensorflow/tfjs'
import { biasLeakyRelu } from './bias-leaky-relu.js'
import type { Tf } from './engine.js'

/**
 * The layers that tfjs lacks. Each is a class because tfjs asks for one; `layersOf(tf)` makes and registers
 * them for the tfjs copy in use, so that saved networks load again.
 */
export interface Layers {
  /** [n,h,w,c·r²] → [n,h·r,w·r,c], depthToSpace order (DCR), with a gradient, which tf.depthToSpace lacks. Shi et al. 2016, section 3.2. */
  pixelShuffle(config: { scale: number; name?: string }): TF.layers.Layer
  /** The input `times` times along its channels: before a pixel shuffle, this enlarges by nearest neighbour. */
  repeatChannels(config: { times: number; name?: string }): TF.layers.Layer
  /** 'same' convolution of stride 1, bias and leaky ReLU; see CollapsibleConfig. */
  collapsibleConv(config: CollapsibleConfig): TF.layers.Layer
}

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

const made = new WeakMap<Tf, Layers>()

export function layersOf(tf: Tf): Layers {
  const layers = made.get(tf) ?? define(tf)
  made.set(tf, layers)
  return layers
}

function define(tf: Tf): Layers {
  class PixelShuffle extends tf.layers.Layer {
    static className = 'PixelShuffle'
    private readonly scale: number

    constructor(config: { scale: number; name?: string }) {
      super(config)
      this.scale = config.scale
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      const r = this.scale
      return [shape[0]!, shape[1] && shape[1] * r, shape[2] && shape[2] * r, shape[3]! / r ** 2] as TF.Shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => {
        const x = only(inputs)
        const [n, h, w, channels] = x.shape as [number, number, number, number]
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

  class RepeatChannels extends tf.layers.Layer {
    static className = 'RepeatChannels'
    private readonly times: number

    constructor(config: { times: number; name?: string }) {
      super(config)
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

  /**
   * A kernel that is the product of two in training: kernel = A·B, A [k,k,in,expansion] and B [expansion,out],
   * plus 1 at the centre where the input is added. Bhardwaj et al., "Collapsible Linear Blocks for
   * Super-Efficient Super Resolution" (SESR), MLSys 2022, section 3. One convolution runs, in training and
   * after; the gradient reaches A and B through the product.
   */
  class CollapsibleConv2D extends tf.layers.Layer implements CollapsibleLayer {
    static className = 'CollapsibleConv2D'
    private readonly config: CollapsibleConfig
    private parts: { expand: TF.LayerVariable; project: TF.LayerVariable | undefined; bias: TF.LayerVariable } | undefined
    private inputChannels = 0

    constructor(config: CollapsibleConfig) {
      super(config.name === undefined ? {} : { name: config.name })
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
        return biasLeakyRelu(tf, tf.conv2d(only(inputs), kernel, 1, 'same'), bias, this.config.slope)
      })
    }

    override getConfig() {
      return { ...super.getConfig(), ...this.config, name: this.name }
    }
  }

  const centre = (k: number, channels: number): TF.Tensor4D => {
    const middle = (k - 1) / 2
    return tf.pad(tf.eye(channels).reshape([1, 1, channels, channels]) as TF.Tensor4D, [
      [middle, middle],
      [middle, middle],
      [0, 0],
      [0, 0],
    ])
  }

  for (const layer of [PixelShuffle, RepeatChannels, CollapsibleConv2D]) tf.serialization.registerClass(layer as never)
  return {
    pixelShuffle: config => new PixelShuffle(config),
    repeatChannels: config => new RepeatChannels(config),
    collapsibleConv: config => new CollapsibleConv2D(config),
  }
}

function only(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor4D {
  return (Array.isArray(inputs) ? inputs[0]! : inputs) as TF.Tensor4D
}

/** Initial weights must not depend on the order in which networks are made, so each weight's seed comes from its name (FNV-1a). */
export function nameSeed(name: string): number {
  let hash = 0x811c9dc5
  for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193)
  return hash >>> 1
}
