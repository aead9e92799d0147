import type * as tf from '@tensorflow/tfjs'
import { UprezError } from '../../errors.js'
import type { Attribute, Constant } from '../graph.js'

export type Shape = (number | null)[]

/**
 * One call of a layer, as an op sees it. Values of four dimensions are NCHW in the graph, all others as in tfjs; the layer's weights,
 * its options and the shapes here are tfjs' own (NHWC, batch first, null where free).
 */
export interface LayerCall {
  layer: tf.layers.Layer
  /** The layer's `getConfig()`. */
  config: Record<string, unknown>
  /** Names of the values the layer is called with. */
  inputs: string[]
  /** Shape of the first input. */
  inputShape: Shape
  inputShapes: Shape[]
  outputShape: Shape
  /** Adds a node and returns the name of its first answer. */
  add(op: string, inputs: string[], attributes?: Record<string, Attribute>): string
  /** Adds a constant of this layer and returns its name: a number is added where another constant has it. */
  constant(name: string, constant: Constant): string
}

/** Writes one layer call into the graph and returns the name of its answer. */
export type Op = (call: LayerCall) => string

/** By layer class. */
export type Ops = Record<string, Op>

export function unsupported(layer: tf.layers.Layer, reason: string): UprezError {
  return new UprezError('unsupported-layer', `layer ${layer.name}: ${reason}`, { param: layer.name, got: layer.getClassName() })
}

/** @throws UprezError `unsupported-layer` where the layer takes its pictures as NCHW in tfjs already */
export function channelsLast({ layer, config }: LayerCall): void {
  if (config.dataFormat === 'channelsFirst') throw unsupported(layer, 'expected dataFormat channelsLast, got channelsFirst')
}
