import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { type LayerClass, named, only } from './layer.js'

export interface GroupNormConfig {
  name?: string
  /** Default 32; −1: one a channel, which is instance normalisation. */
  groups?: number
  /** Default 0.001. */
  epsilon?: number
  /** Learned factors and offsets, one a channel: default both. */
  scale?: boolean
  center?: boolean
}

/** A layer of which the exporter reads what it was built with. */
export interface GroupNormLayer extends TF.layers.Layer {
  readonly epsilon: number
  parts(): { groups: number; gamma?: TF.Tensor; beta?: TF.Tensor }
}

/** Keras' GroupNormalization over pictures, channels last. Wu & He, "Group Normalization", ECCV 2018, equation 2. */
export function groupNormLayer(tf: Tf): LayerClass<GroupNormConfig> {
  class GroupNormalization extends tf.layers.Layer implements GroupNormLayer {
    static className = 'GroupNormalization'
    readonly epsilon: number
    private readonly config: GroupNormConfig
    private groups = 0
    private gamma: TF.LayerVariable | undefined
    private beta: TF.LayerVariable | undefined

    constructor(config: GroupNormConfig) {
      super(named(config))
      this.epsilon = config.epsilon ?? 1e-3
      this.config = config
    }

    override build(inputShape: TF.Shape | TF.Shape[]): void {
      const channels = (inputShape as TF.Shape)[3]!
      const { groups = 32, scale = true, center = true } = this.config
      this.groups = groups === -1 ? channels : groups
      if (channels % this.groups !== 0) throw new Error(`layer ${this.name}: ${channels} channels are no ${this.groups} equal groups`)
      const { ones, zeros } = tf.initializers
      if (scale) this.gamma = this.addWeight('gamma', [channels], 'float32', ones())
      if (center) this.beta = this.addWeight('beta', [channels], 'float32', zeros())
      super.build(inputShape)
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      return shape
    }

    parts() {
      const { groups, gamma, beta } = this
      return { groups, ...(gamma && { gamma: gamma.read() }), ...(beta && { beta: beta.read() }) }
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => {
        const x = only(inputs)
        const [n, h, w, c] = x.shape
        const grouped = tf.reshape(x, [n, h * w, this.groups, c / this.groups])
        const { mean, variance } = tf.moments(grouped, [1, 3], true)
        const unit = tf.mul(tf.sub(grouped, mean), tf.rsqrt(tf.add(variance, this.epsilon))).reshape(x.shape)
        const { gamma, beta } = this.parts()
        const scaled = gamma ? tf.mul(unit, gamma) : unit
        return beta ? tf.add(scaled, beta) : scaled
      })
    }

    override getConfig() {
      const { groups = 32, scale = true, center = true } = this.config
      return { ...super.getConfig(), groups, epsilon: this.epsilon, scale, center }
    }
  }
  return GroupNormalization
}
