import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import { UNKNOWN_TRAINING } from '../models/card.js'
import { type EngineName, type Tf, useEngine } from '../nets/engine.js'
import { type NetworkFacts, networkFacts } from '../nets/facts.js'
import { loadModel } from '../nets/model-files.js'
import { findSizeMultiple, leastSide } from './cases.js'
import { openLayers } from './layers.js'
import type { Ops } from './ops/call.js'
import { type About, findSource, type Source } from './source.js'
import { refuseBrokenWeights } from './verify.js'

export interface NetworkOptions {
  /** A training run, a model folder with `weights/`, a model's id, or the folder of a tfjs LayersModel. */
  run: string
  /** A module of layer classes that neither tfjs nor we have; see export/layers.ts. */
  layers?: string
  /** What the graph is compared with; default wasm, which every machine has. */
  engine?: EngineName
}

export interface OpenedNetwork extends Omit<Source, 'network'> {
  tf: Tf
  model: TF.LayersModel
  /** Of the layers that a user's module brings. */
  ops: Ops | undefined
}

/**
 * Loads a network to export it.
 * @throws UprezError `not-a-run`, `invalid-module`, `engine-unavailable`, `unsupported-layer`, `invalid-weights`
 */
export async function openNetwork(options: NetworkOptions): Promise<OpenedNetwork> {
  const { network, ...source } = await findSource(options.run)
  const layers = options.layers === undefined ? undefined : await openLayers(options.layers)
  const tf = await useEngine(options.engine ?? 'wasm')
  layers?.register(tf)
  const model = await loadModel(tf, network)
  await refuseBrokenWeights(model)
  return { ...source, tf, model, ops: layers?.ops }
}

/**
 * What can be told of a network that enlarges pictures and whose makers say nothing: all but its scale is read off its layers.
 * @param ops of a user's layers, which may see the picture whole
 * @throws UprezError `unsupported-layer` for a network that does something else, or has layers of which that is not known
 */
export function observed(tf: Tf, model: TF.LayersModel, ops: Ops = {}): About {
  const facts = networkFacts(model, Object.keys(ops))
  const training = { preset: 'unknown', ...UNKNOWN_TRAINING }
  return { scale: observedScale(tf, model, facts.sizeMultiple), ...facts, training }
}

/** What has to be known to choose the sizes that any network is compared on: guessed where its layers do not tell. */
export function observedSizes(tf: Tf, model: TF.LayersModel): Pick<NetworkFacts, 'sizeMultiple' | 'flopsPerPixel'> {
  try {
    return networkFacts(model)
  } catch (error) {
    if (!(error instanceof UprezError)) throw error
    // As if every weight were multiplied once a pixel.
    return { sizeMultiple: findSizeMultiple(tf, model), flopsPerPixel: 2 * model.countParams() }
  }
}

function observedScale(tf: Tf, model: TF.LayersModel, sizeMultiple: number): number {
  const [from, to] = [model.inputs[0]!.shape, model.outputs[0]!.shape]
  const expected = 'a network from one picture to one that is larger by a whole number'
  const alone = model.inputs.length === 1 && model.outputs.length === 1 && from.length === 4 && to.length === 4
  const side = leastSide(tf, model, sizeMultiple)
  // Of one side alone, what borders cut off could leave a whole multiple by chance.
  const [height, width] = [from[1] ?? side, from[2] ?? 2 * side]
  const dims = alone ? tf.tidy(() => (model.predict(tf.zeros([from[0] ?? 1, height, width, from[3]!])) as TF.Tensor).shape) : []
  const scale = dims[1]! / height
  if (alone && Number.isInteger(scale) && scale >= 1 && dims[2] === width * scale) return scale
  const shapes = (values: TF.SymbolicTensor[]) => values.map(({ shape }) => `[${shape.map(side => side ?? '?').join(',')}]`).join(' and ')
  const got = `one from ${shapes(model.inputs)} to ${shapes(model.outputs)}`
  const message = `expected ${expected}, got ${got}; with an output that ends in .onnx any network is written, without a card`
  throw new UprezError('unsupported-layer', message, { param: model.name, expected, got })
}
