import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { nativeOp } from '../native-ops.js'
import { type LayerClass, named, only } from './layer.js'

export interface ChannelPreluConfig {
  name?: string
}

/** He et al. 2015, section 2.1: the slope below zero that each channel starts with. */
const START = 0.25

export function channelPreluLayer(tf: Tf): LayerClass<ChannelPreluConfig> {
  return class ChannelPReLU extends tf.layers.Layer {
    static className = 'ChannelPReLU'
    slopes: TF.LayerVariable | undefined

    constructor(config: ChannelPreluConfig) {
      super(named(config))
    }

    override build(inputShape: TF.Shape | TF.Shape[]): void {
      const channels = (inputShape as TF.Shape)[3]!
      this.slopes = this.addWeight('slopes', [channels], 'float32', tf.initializers.constant({ value: START }))
      super.build(inputShape)
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      return shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => channelPrelu(tf, only(inputs), this.slopes!.read() as TF.Tensor1D))
    }
  }
}

/**
 * x where it is positive, else x times its channel's slope. First-order gradient; half the time of tfjs' own on the native engine,
 * where prelu is made of eight passes over the map and its gradient of ten.
 */
function channelPrelu(tf: Tf, x: TF.Tensor4D, slopes: TF.Tensor1D): TF.Tensor4D {
  const native = nativeOp(tf)
  const run = tf.customGrad((x, slopes, save) => {
    ;(save as TF.GradSaveFunc)([x as TF.Tensor, slopes as TF.Tensor])
    return {
      value: forward(x as TF.Tensor4D, slopes as TF.Tensor1D),
      gradFunc: (dy: TF.Tensor, [x, slopes]: TF.Tensor[]) => {
        const above = native ? native('ReluGrad', {}, [dy, x!])[0]! : tf.mul(dy, tf.step(x!))
        const below = tf.sub(dy, above)
        const steep = tf.mul(below, x!)
        const sum = native ? native('BiasAddGrad', {}, [steep])[0]! : tf.sum(steep, [0, 1, 2])
        return [tf.add(above, tf.mul(below, slopes!)), sum]
      },
    }
  })
  return run(x, slopes) as TF.Tensor4D

  function forward(x: TF.Tensor4D, slopes: TF.Tensor1D): TF.Tensor4D {
    if (!native) return tf.prelu(x, slopes as TF.Tensor as TF.Tensor4D)
    return tf.add(tf.relu(x), tf.mul(tf.minimum(x, 0), slopes))
  }
}
