import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'
import { type Tf, useEngine } from '../nets/engine.js'
import { loadModel, saveModel } from '../nets/model-files.js'
import { deployed, type Topology } from './deployed.js'
import { type ExportOptions, exportRun } from './export.js'
import { type About, aboutOf, findSource, type Source } from './source.js'

export interface BlendOptions extends Omit<ExportOptions, 'run'> {
  /** Two generators of one topology: each a training run, a model folder or a model's id. */
  a: string
  b: string
  /** 0 gives A, 1 gives B. */
  strength: number
}

/**
 * Mixes two generators weight by weight, (1 − strength)·A + strength·B, and exports the mix as a model folder: from a network trained
 * on pixels to one trained against a critic, a dial between true and vivid. Wang et al., "ESRGAN", ECCVW 2018, section 3.4.
 *
 * What is mixed are the parameters that are deployed, as there. A collapsible kernel A·B is mixed as that product: its factors are one
 * of many pairs with the same product, and those of two networks need not correspond, so that a mix of factors would be no mix of
 * kernels. The result therefore has plain kernels; it can be trained on. Batch normalisation is mixed as its four vectors.
 * @throws UprezError `invalid-option`, `run-mismatch` naming the first layer that differs, and what `exportRun` throws
 */
export async function blend(options: BlendOptions): Promise<{ dir: string; card: UpscaleCard }> {
  const { a, b, strength, ...rest } = options
  if (!(strength >= 0 && strength <= 1)) throw wrongStrength(strength)
  const [first, second] = [await findSource(a), await findSource(b)]
  const engine = options.engine ?? 'wasm'
  const tf = await useEngine(engine)
  const about: About = { ...aboutOf(first), training: trainingOf([named(a, first), named(b, second)], strength, engine) }
  const names = about.training.blend!.of.map(({ id }) => id)

  const run = await mkdtemp(join(tmpdir(), 'uprez-blend-'))
  try {
    const network = await mix(tf, first.network, second.network, strength)
    await saveModel(network, join(run, 'generator'), { 'about.json': JSON.stringify(about) })
    network.dispose()
    return await exportRun({
      ...rest,
      engine,
      run,
      purpose: options.purpose ?? `Enlarges pictures ${about.scale} times: between ${names.join(' (0) and ')} (1) at ${strength}.`,
      licence: options.licence ?? licenceOf(first, second),
    })
  } finally {
    await rm(run, { recursive: true, force: true })
  }
}

/**
 * (1 − strength)·A + strength·B.
 * @param a folder of a tfjs LayersModel, as `b`
 * @throws UprezError `run-mismatch`, and what `loadModel` throws
 */
export async function mix(tf: Tf, a: string, b: string, strength: number): Promise<TF.LayersModel> {
  const [first, second] = [await deployed(tf, await loadModel(tf, a)), await deployed(tf, await loadModel(tf, b))]
  requireOneTopology(first.topology, second.topology)
  const [mixed, other] = [first.model.weights, second.model.weights]
  for (const [i, weight] of mixed.entries()) {
    tf.tidy(() => {
      weight.write(tf.add(weight.read().mul(1 - strength), other[i]!.read().mul(strength)))
    })
  }
  second.model.dispose()
  return first.model
}

/** Layer by layer in the order of the graph: class, name, wiring, options and so the shapes of the weights. */
function requireOneTopology(a: Topology, b: Topology): void {
  const length = Math.max(a.length, b.length)
  for (let i = 0; i < length; i++) {
    if (JSON.stringify(a[i]) === JSON.stringify(b[i])) continue
    const [expected, got] = [a[i], b[i]].map((layer, k) => describe(layer, [b[i], a[i]][k])) as [string, string]
    throw new UprezError('run-mismatch', `the two networks differ in layer ${i}: ${expected} in the first, ${got} in the second`, {
      param: a[i]?.name ?? b[i]!.name,
      expected,
      got,
    })
  }
}

/** The layer, and of its options those that differ. */
function describe(layer: Topology[number] | undefined, other: Topology[number] | undefined): string {
  if (!layer) return 'none'
  const differing = Object.entries(layer.options).filter(
    ([name, value]) => other?.className === layer.className && JSON.stringify(other.options[name]) !== JSON.stringify(value),
  )
  const inputs = JSON.stringify(other?.inputs) === JSON.stringify(layer.inputs) ? [] : [`after ${layer.inputs.join(' and ') || 'nothing'}`]
  return [`${layer.className} ${layer.name}`, ...differing.map(([name, value]) => `${name} ${JSON.stringify(value)}`), ...inputs].join(', ')
}

interface Part {
  id: string
  training: UpscaleCard['training']
}

function named(nameOrFolder: string, source: Source): Part {
  return { id: source.words.id ?? basename(resolve(nameOrFolder)), training: aboutOf(source).training }
}

/** No step was trained on the mix itself: it has the data of both. */
function trainingOf(parts: [Part, Part], strength: number, engine: string): UpscaleCard['training'] {
  const [a, b] = parts.map(({ id, training }) => ({ id, preset: training.preset, steps: training.steps }))
  const data = new Map(parts.flatMap(({ training }) => training.data).map(source => [JSON.stringify(source), source]))
  const features = new Set(parts.map(({ training }) => training.featureLoss).filter(loss => loss !== null))
  return {
    preset: 'blend',
    overrides: {},
    steps: 0,
    seed: 0,
    engine,
    data: [...data.values()],
    featureLoss: features.size === 0 ? null : [...features].join('; '),
    blend: { strength, of: [a!, b!] },
  }
}

function licenceOf(...sources: Source[]): string {
  return [...new Set(sources.map(({ words }) => words.licence ?? 'not stated'))].join(' and ')
}

function wrongStrength(strength: number): UprezError {
  return new UprezError('invalid-option', `Expected a number from 0 to 1 for strength but received ${strength}`, {
    param: 'strength',
    expected: 'a number from 0 to 1',
    got: String(strength),
  })
}
