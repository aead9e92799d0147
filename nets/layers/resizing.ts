import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { type LayerClass, only } from './layer.js'

export interface ResizingConfig {
  name?: string
  height: number
  width: number
  /** Default bilinear. */
  interpolation?: 'bilinear' | 'nearest'
  /** Of tfjs' layer this decides only whether corners are aligned: they are where it is false, as by default. */
  cropToAspectRatio?: boolean
}

/** tfjs' own layer as it is meant: that one takes no batch inside a network, and states a shape without it. */
export function resizingLayer(tf: Tf): LayerClass<ResizingConfig> {
  const Resizing = tf.layers.resizing({ height: 1, width: 1 }).constructor as new (config: ResizingConfig) => TF.layers.Layer
  return class extends Resizing {
    static className = 'Resizing'
    override computeOutputShape(shape: TF.Shape): TF.Shape {
      const { height, width } = this.getConfig() as { height: number; width: number }
      return [shape[0]!, height, width, shape[3]!] as TF.Shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[], options: object): TF.Tensor {
      return super.call(only(inputs), options as never) as TF.Tensor
    }
  }
}
