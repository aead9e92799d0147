import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { type LayerClass, named } from './layer.js'

/** Keras' Subtract: the first of two values of one shape, less the second. */
export function subtractLayer(tf: Tf): LayerClass<{ name?: string }> {
  return class Subtract extends tf.layers.Layer {
    static className = 'Subtract'

    constructor(config: { name?: string }) {
      super(named(config))
    }

    override computeOutputShape(shapes: TF.Shape[]): TF.Shape {
      return shapes[0]!
    }

    override call(inputs: TF.Tensor[]): TF.Tensor {
      return tf.sub(inputs[0]!, inputs[1]!)
    }
  }
}
