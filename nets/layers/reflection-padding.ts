import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import { type LayerClass, named, only } from './layer.js'

type Pair = [number, number]

export interface ReflectionPaddingConfig {
  name?: string
  /** As of tfjs' zero padding: one number, [rows, columns], or [[top, bottom], [left, right]]; default 1. */
  padding?: number | Pair | [Pair, Pair]
}

/** Beyond the border of a picture stands its mirror image, the outermost pixel not repeated. */
export function reflectionPaddingLayer(tf: Tf): LayerClass<ReflectionPaddingConfig> {
  return class ReflectionPadding2D extends tf.layers.Layer {
    static className = 'ReflectionPadding2D'
    private readonly padding: [Pair, Pair]

    constructor(config: ReflectionPaddingConfig) {
      super(named(config))
      this.padding = bordersOf(config.padding ?? 1)
    }

    override computeOutputShape(shape: TF.Shape): TF.Shape {
      const [rows, columns] = this.padding
      const side = (size: number | null, [before, after]: Pair) => size && size + before + after
      return [shape[0]!, side(shape[1]!, rows), side(shape[2]!, columns), shape[3]!] as TF.Shape
    }

    override call(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor {
      return tf.tidy(() => tf.mirrorPad(only(inputs), [[0, 0], ...this.padding, [0, 0]], 'reflect'))
    }

    override getConfig() {
      return { ...super.getConfig(), padding: this.padding }
    }
  }
}

function bordersOf(padding: unknown): [Pair, Pair] {
  const isPair = (value: unknown): value is Pair =>
    Array.isArray(value) && value.length === 2 && value.every(side => Number.isInteger(side) && side >= 0)
  if (Array.isArray(padding) && padding.length === 2 && padding.every(isPair)) return padding as [Pair, Pair]
  const [rows, columns] = isPair(padding) ? padding : [padding, padding]
  if (!isPair([rows, columns])) throw new Error(`expected padding as a number, [rows, columns] or [[top, bottom], [left, right]]`)
  return [
    [rows as number, rows as number],
    [columns as number, columns as number],
  ]
}
