import type { Weight } from '../torch-file.js'

/** The tensors of a file by key, as PyTorch lays them out: a kernel is [out, in, h, w]. */
export type Weights = Map<string, Weight>

/** A network that the community trains, with one way of naming its weights. */
export interface Architecture {
  /** As its authors call it. */
  name: string
  /** What the file would hold if it were of this architecture, as far as keys and shapes tell. */
  guess(weights: Weights): Guess
}

export interface Guess {
  /** Options of one of our generators. */
  network: Record<string, unknown> & { kind: string }
  scale: number
  /** Every tensor that such a file has. */
  parts: Part[]
  /** Further keys that such a file may have. */
  beside?: string[]
  /** What the weights do not tell and is taken for granted. */
  assumed?: string[]
}

/** One tensor of a file, and the weight of ours that it is. */
export interface Part {
  key: string
  shape: number[]
  /** Name of our layer, and which of its weights. */
  layer: string
  index: 0 | 1
  /** For each of our channels, the one that it is in the file. */
  outputs?: number[]
  inputs?: number[]
  /** Ours is the file's times this. */
  factor?: number
}

export interface ConvOptions extends Pick<Part, 'outputs' | 'inputs' | 'factor'> {
  layer: string
  /** In the file; default: the layer's name. */
  key?: string
  /** Channels [in, out]. */
  channels: [number, number]
}

/** A 3×3 convolution. Its bias goes with the outputs; the factor is the kernel's alone unless `biasToo`. */
export function conv({ layer, key = layer, channels: [from, to], outputs, inputs, factor }: ConvOptions, biasToo = false): Part[] {
  const order = outputs ? { outputs } : {}
  const times = factor === undefined ? {} : { factor }
  return [
    { key: `${key}.weight`, shape: [to, from, 3, 3], layer, index: 0, ...order, ...(inputs ? { inputs } : {}), ...times },
    { key: `${key}.bias`, shape: [to], layer, index: 1, ...order, ...(biasToo ? times : {}) },
  ]
}

/**
 * The order of channels around a pixel shuffle: ours stand as (row, column, channel), PyTorch's as (channel, row, column).
 * @param channels of the picture with more pixels
 */
export function shuffled(channels: number, scale: number): number[] {
  const area = scale ** 2
  return Array.from({ length: channels * area }, (_, i) => (i % channels) * area + Math.floor(i / channels))
}

/** Channels along an axis of a tensor, if it is there. */
export function side(weights: Weights, key: string, axis: number): number | undefined {
  return weights.get(key)?.shape[axis]
}

/** How many keys look like this. */
export function count(weights: Weights, pattern: RegExp): number {
  return [...weights.keys()].filter(key => pattern.test(key)).length
}
