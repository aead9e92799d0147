import type * as TF from '@tensorflow/tfjs'

/** tfjs asks for a class per layer. */
export interface LayerClass<Config> {
  new (config: Config): TF.layers.Layer
  className: string
}

/** The one input of a layer that takes one. */
export function only(inputs: TF.Tensor | TF.Tensor[]): TF.Tensor4D {
  return (Array.isArray(inputs) ? inputs[0]! : inputs) as TF.Tensor4D
}

/** The configuration of a layer without a name asks tfjs to find one. */
export function named({ name }: { name?: string }): { name?: string } {
  return name === undefined ? {} : { name }
}
