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

/** What tfjs itself reads of a configuration. One without a name asks it to find one; the first of a Sequential knows its input's shape. */
export function named({ name, batchInputShape }: { name?: string; batchInputShape?: TF.Shape }): TF.serialization.ConfigDict {
  return { ...(name !== undefined && { name }), ...(batchInputShape !== undefined && { batchInputShape }) }
}
