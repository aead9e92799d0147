import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { normalizeBatch, normalizeInstance } from '../normalize.js'
import { type LayerClass, named, only } from './layer.js'

export interface NormConfig {
  name?: string
}

export const EPSILON = 1e-5
/** Of the moving mean and variance. */
const MOMENTUM = 0.99

export function batchNormLayer(tf: Tf): LayerClass<NormConfig> {
  return class BatchNorm extends tf.layers.Layer {
    static className = 'BatchNorm'
    parts: Record<'gamma' | 'beta' | 'mean' | 'variance', TF.LayerVariable> | undefined

    constructor(config: NormConfig) {
      super(named(config))
    }

    override build(inputShape: TF.Shape | TF.Shape[]): void {
      const shape = [(inputShape as TF.Shape)[3]!]
      const { ones, zeros } = tf.initializers
      this.parts = {
        gamma: this.addWeight('gamma', shape, 'float32', ones()),
        beta: this.addWeight('beta', shape, 'float32', zeros()),
        mean: this.addWeight('moving_mean', shape, 'float32', zeros(), undefined, false),
        variance: this.addWeight('moving_variance', shape, 'float32', ones(), undefined, false),
      }
      super.build(inputShape)
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      return shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[], { training }: { training?: boolean }): TF.Tensor {
      return tf.tidy(() => {
        const x = only(inputs)
        const parts = this.parts!
        const read = (part: TF.LayerVariable) => part.read() as TF.Tensor1D
        const [gamma, beta] = [read(parts.gamma), read(parts.beta)]
        if (!training) return tf.batchNorm(x, read(parts.mean), read(parts.variance), beta, gamma, EPSILON)
        const { y, mean, variance } = normalizeBatch(tf, x, gamma, beta, EPSILON)
        const follow = (part: TF.LayerVariable, now: TF.Tensor) =>
          part.write(tf.add(tf.mul(part.read(), MOMENTUM), tf.mul(now, 1 - MOMENTUM)))
        follow(parts.mean, mean)
        follow(parts.variance, variance)
        return y
      })
    }
  }
}

export function instanceNormLayer(tf: Tf): LayerClass<NormConfig> {
  return class InstanceNorm extends tf.layers.Layer {
    static className = 'InstanceNorm'
    parts: Record<'gamma' | 'beta', TF.LayerVariable> | undefined

    constructor(config: NormConfig) {
      super(named(config))
    }

    override build(inputShape: TF.Shape | TF.Shape[]): void {
      const shape = [(inputShape as TF.Shape)[3]!]
      this.parts = {
        gamma: this.addWeight('gamma', shape, 'float32', tf.initializers.ones()),
        beta: this.addWeight('beta', shape, 'float32', tf.initializers.zeros()),
      }
      super.build(inputShape)
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      return shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => {
        const { gamma, beta } = this.parts!
        return normalizeInstance(tf, only(inputs), gamma.read() as TF.Tensor1D, beta.read() as TF.Tensor1D, EPSILON)
      })
    }
  }
}
