import { basename } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../../errors.js'
import type { Tf } from '../engine.js'
import { loadModel } from '../model-files.js'
import { INCEPTION_LAYERS, INCEPTION_TITLE, loadInception } from './inception.js'
import { type FeatureInput, prepareInput } from './input.js'
import { isLinear, tapLayers, tapNames } from './tap.js'
import { loadVgg19 } from './vgg19.js'

/**
 * Networks whose layers can be compared.
 *
 *   inception  InceptionV3 of the npm package nsfwjs: `npm run setup -- features`
 *   vgg19      VGG19 with weights that you bring
 *   critic     the critic in training
 *   model      any tfjs layers model in a folder
 */
export const FEATURE_NETWORKS = ['inception', 'vgg19', 'critic', 'model'] as const
export type FeatureNetworkName = (typeof FEATURE_NETWORKS)[number]

export interface FeatureOptions {
  network: FeatureNetworkName
  /** vgg19: a file of weights or a folder; model: a folder. */
  file?: string | undefined
  /** Default: what the network wants; for critic and model `unit`. */
  input?: FeatureInput | undefined
  /** Weights by layer. Empty: those we recommend, where we do. */
  layers: Record<string, number>
}

/** A network that turns pictures into maps which are compared; its own weights take no part in training. */
export interface FeatureNetwork {
  /** Weights by layer. */
  layers: Record<string, number>
  /** Maps by layer, differentiable with respect to the images, RGB in [0,1], [n,h,w,3] of any size. Call it inside tf.tidy or a gradient. */
  features(images: TF.Tensor4D): Record<string, TF.Tensor4D>
  /** For the card. */
  describe(): string
}

/**
 * @param critic the one in training, for `network: 'critic'`
 * @throws UprezError `missing-feature-network`, naming what to bring or do; `invalid-weights`; `invalid-option` for an unknown
 *   layer or none
 */
export async function openFeatures(tf: Tf, options: FeatureOptions, critic?: TF.LayersModel): Promise<FeatureNetwork> {
  const { model, input, title, layers } = await open(tf, options, critic)
  const weights = Object.keys(options.layers).length > 0 ? options.layers : layers
  const names = Object.keys(weights)
  const taps = tapLayers(tf, model, names)
  if (model !== critic) for (const weight of model.weights) weight.trainable = false
  const wanted = options.input ?? input
  return {
    layers: weights,
    features: images => taps(prepareInput(tf, images, wanted)),
    describe: () =>
      `${title}; ${names.map(name => `${name}${isLinear(model, name) ? ' before activation' : ''} × ${weights[name]}`).join(', ')}`,
  }
}

interface Opened {
  model: TF.LayersModel
  input: FeatureInput
  title: string
  /** Recommended. */
  layers: Record<string, number>
}

async function open(tf: Tf, { network, file, layers }: FeatureOptions, critic: TF.LayersModel | undefined): Promise<Opened> {
  switch (network) {
    case 'inception':
      return { model: await loadInception(tf), input: 'unit', title: INCEPTION_TITLE, layers: INCEPTION_LAYERS }
    case 'vgg19': {
      const { model, input, source } = await loadVgg19(tf, file)
      return { model, input, title: `VGG19 (${source})`, layers: { conv5_4: 1 } }
    }
    case 'critic': {
      if (!critic) throw invalid('network', 'the features of the critic need a recipe that has one', 'a recipe with a critic', 'critic')
      return named(critic, 'the critic in training', layers)
    }
    case 'model': {
      if (file === undefined) throw invalid('file', 'losses.feature.file names no model', 'the folder of a tfjs layers model', 'nothing')
      return named(await loadModel(tf, file), `the model ${basename(file)}`, layers)
    }
  }
}

function named(model: TF.LayersModel, title: string, layers: Record<string, number>): Opened {
  if (Object.keys(layers).length === 0) {
    throw invalid('layers', `losses.feature.layers must name layers of ${title}`, tapNames(model).join(', '), 'none')
  }
  return { model, input: 'unit', title, layers }
}

function invalid(option: string, message: string, expected: string, got: string): UprezError {
  return new UprezError('invalid-option', message, { param: `losses.feature.${option}`, expected, got })
}
