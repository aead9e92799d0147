import type * as tf from '@tensorflow/tfjs'
import { UprezError } from '../../errors.js'
import type { Attribute, Constant } from '../graph.js'

/** One call of a layer, as an op sees it. Values are NCHW; the layer's weights and shapes are still tfjs' own NHWC. */
export interface LayerCall {
  layer: tf.layers.Layer
  /** The layer's `getConfig()`. */
  config: Record<string, unknown>
  /** Names of the values the layer is called with. */
  inputs: string[]
  /** [batch, height, width, channels] of the first input; null where free. */
  inputShape: (number | null)[]
  /** Adds a node and returns the name of its answer. */
  add(op: string, inputs: string[], attributes?: Record<string, Attribute>): string
  /** Adds a constant of this layer and returns its name. */
  constant(name: string, constant: Constant): string
}

/** Writes one layer call into the graph and returns the name of its answer. */
export type Op = (call: LayerCall) => string

export function unsupported(layer: tf.layers.Layer, reason: string): UprezError {
  return new UprezError('unsupported-layer', `layer ${layer.name}: ${reason}`, { param: layer.name, got: layer.getClassName() })
}
