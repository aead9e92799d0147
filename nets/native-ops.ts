import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'

/** Attributes of a TensorFlow op; every op run here computes in float32, so `T` is set for all. */
type Attributes = Record<string, { float: number } | { bool: boolean } | { string: string } | { ints: number[] } | 'float32' | 'int32'>

/** What of tfjs-node's backend runs a TensorFlow op by name. */
interface NativeBackend {
  binding: Record<`TF_ATTR_${'FLOAT' | 'BOOL' | 'INT' | 'TYPE' | 'STRING'}` | 'TF_FLOAT' | 'TF_INT32', number>
  executeMultipleOutputs(
    op: string,
    attributes: { name: string; type: number; value: unknown }[],
    inputs: TF.Tensor[],
    outputs: number,
  ): TF.Tensor[]
}

/** Runs a TensorFlow op that tfjs has no function for; its answer has no gradient. */
export type NativeOp = (op: string, attributes: Attributes, inputs: TF.Tensor[], outputs?: number) => TF.Tensor[]

/** @returns undefined on every engine but `tensorflow` */
export function nativeOp(tf: Tf): NativeOp | undefined {
  if (tf.getBackend() !== 'tensorflow') return undefined
  const backend = tf.backend() as unknown as NativeBackend
  const { TF_ATTR_FLOAT, TF_ATTR_BOOL, TF_ATTR_INT, TF_ATTR_TYPE, TF_ATTR_STRING, TF_FLOAT, TF_INT32 } = backend.binding
  const encode = (name: string, value: Attributes[string]) => {
    if (value === 'float32') return { name, type: TF_ATTR_TYPE, value: TF_FLOAT }
    if (value === 'int32') return { name, type: TF_ATTR_TYPE, value: TF_INT32 }
    if ('float' in value) return { name, type: TF_ATTR_FLOAT, value: value.float }
    if ('bool' in value) return { name, type: TF_ATTR_BOOL, value: value.bool }
    if ('ints' in value) return { name, type: TF_ATTR_INT, value: value.ints }
    return { name, type: TF_ATTR_STRING, value: value.string }
  }
  return (op, attributes, inputs, outputs = 1) => {
    const encoded = Object.entries({ T: 'float32' as const, ...attributes }).map(([name, value]) => encode(name, value))
    return backend.executeMultipleOutputs(op, encoded, inputs, outputs)
  }
}
