import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'

/** A network under construction: layers are put behind each other, branches are ends kept for later. */
export interface Chain {
  /** What the last layer gives. */
  end: TF.SymbolicTensor
  /** Puts a layer behind the last one. */
  put(layer: TF.layers.Layer): Chain
  /** Adds what another branch gives. */
  add(other: TF.SymbolicTensor, name: string): Chain
}

/** A picture of any size in RGB. */
export function picture(tf: Tf): TF.SymbolicTensor {
  return tf.input({ shape: [null, null, 3], name: 'image' })
}

export function chain(tf: Tf, start: TF.SymbolicTensor): Chain {
  return {
    end: start,
    put: layer => chain(tf, layer.apply(start) as TF.SymbolicTensor),
    add: (other, name) => chain(tf, tf.layers.add({ name }).apply([start, other]) as TF.SymbolicTensor),
  }
}

/** ×4 in two steps of 2, any other enlargement in one; none for 1. */
export function enlargements(scale: number): number[] {
  if (scale === 1) return []
  return scale === 4 ? [2, 2] : [scale]
}
