import type * as tf from '@tensorflow/tfjs'
import type { Constant } from '../graph.js'
import { floats } from '../graph.js'

/** A weight as a constant, its axes reordered as in numpy's transpose. */
export function weight(tensor: tf.Tensor, perm?: number[]): Constant {
  return transposed(tensor.shape, tensor.dataSync() as Float32Array, perm ?? tensor.shape.map((_, i) => i))
}

export function transposed(shape: number[], data: ArrayLike<number>, perm: number[]): Constant {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1))
  const dims = perm.map(axis => shape[axis]!)
  const result = new Float32Array(data.length)
  const index = dims.map(() => 0)
  for (let i = 0; i < result.length; i++) {
    let from = 0
    for (let axis = 0; axis < dims.length; axis++) from += index[axis]! * strides[perm[axis]!]!
    result[i] = data[from]!
    for (let axis = dims.length - 1; axis >= 0 && ++index[axis]! === dims[axis]; axis--) index[axis] = 0
  }
  return floats(dims, result)
}
