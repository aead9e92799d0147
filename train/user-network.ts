import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import type { Tf } from '../nets/engine.js'
import { networkFacts } from '../nets/facts.js'
import { makeGenerator } from '../nets/generator.js'
import { type Layers, layersOf } from '../nets/layers.js'
import type { Config } from './config.js'

/** What a module given by `--network` exports as its default. */
export type MakeNetwork = (order: { tf: Tf; layers: Layers; scale: number; seed: number }) => TF.LayersModel | Promise<TF.LayersModel>

/** Of the square that a user's network is tried on, in pixels. */
const LEAST_SIDE = 16

/**
 * The generator that a configuration asks for: one of ours, or the user's own module's.
 * @throws UprezError `invalid-module` where the module cannot be loaded or makes no network of this scale, `unsupported-layer`
 * where a layer is of a kind that cannot be exported, `invalid-option` where its patches do not suit it
 */
export async function openGenerator(tf: Tf, { network, scale, seed, data }: Config): Promise<TF.LayersModel> {
  const made = network.kind === 'module' ? await makeOwn(tf, network.path, scale, seed) : makeGenerator(tf, network, scale, seed)
  const { sizeMultiple } = networkFacts(made)
  if (data.patch % sizeMultiple === 0) return made
  throw new UprezError('invalid-option', `this network takes sides that are multiples of ${sizeMultiple}, not patches of ${data.patch}`, {
    param: 'data.patch',
    expected: `a multiple of ${sizeMultiple}`,
    got: String(data.patch),
  })
}

async function makeOwn(tf: Tf, path: string, scale: number, seed: number): Promise<TF.LayersModel> {
  const make = await importDefault<MakeNetwork>(path, 'network.path')
  let model: TF.LayersModel
  try {
    model = await make({ tf, layers: layersOf(tf), scale, seed })
  } catch (cause) {
    throw refused(path, 'network.path', `its network cannot be made: ${(cause as Error).message}`, cause)
  }
  const side = trialSide(model)
  const shape = shapeOf(tf, model, side)
  if (JSON.stringify(shape) === JSON.stringify([1, side * scale, side * scale, 3])) return model
  throw refused(path, 'network.path', `its network makes [1,${side},${side},3] into ${JSON.stringify(shape)}, not ×${scale} RGB`)
}

/**
 * The side of a square that the network takes; any where it turns out to be no network, which the trial will tell.
 * @throws UprezError `unsupported-layer`
 */
function trialSide(model: TF.LayersModel): number {
  try {
    const { sizeMultiple } = networkFacts(model)
    return Math.ceil(LEAST_SIDE / sizeMultiple) * sizeMultiple
  } catch (error) {
    if (error instanceof UprezError) throw error
    return LEAST_SIDE
  }
}

/** What comes out for an RGB square; undefined where nothing does. */
function shapeOf(tf: Tf, model: TF.LayersModel, side: number): number[] | undefined {
  return tf.tidy(() => {
    try {
      return (model.predict(tf.zeros([1, side, side, 3])) as TF.Tensor).shape
    } catch {
      return undefined
    }
  })
}

/**
 * The default export, a function, of a user's ES module.
 * @throws UprezError `invalid-module`
 */
export async function importDefault<F>(path: string, param: string): Promise<F> {
  const module = (await import(pathToFileURL(resolve(path)).href).catch(cause => {
    throw refused(path, param, `it cannot be loaded: ${(cause as Error).message}`, cause)
  })) as { default?: unknown }
  if (typeof module.default === 'function') return module.default as F
  throw refused(path, param, `it has no default export that is a function (${typeof module.default})`)
}

function refused(path: string, param: string, reason: string, cause?: unknown): UprezError {
  return new UprezError('invalid-module', `${path}: ${reason}`, { param, expected: 'an ES module, see docs/training.md', got: path, cause })
}
