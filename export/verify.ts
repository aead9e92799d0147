import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'
import type { Tf } from '../nets/engine.js'
import type { NetworkFacts } from '../nets/facts.js'
import { onnxRuntimeVersion, openSession, type Planes } from '../probe/session.js'
import { batchesFor, type Case, casesFor, KINDS, planesOf, sizesFor } from './cases.js'

/** A larger difference between tfjs and ONNX Runtime is an error in the export. */
export const PARITY_LIMIT = 1e-4
/** Of the largest value, where all are small: a wrong graph is off by about as much as there is. */
const SMALL_SHARE = 0.1
/** What runtimes round by, and their approximations of tanh and the like are off by, around 1: a sum may leave no more than that. */
const ROUNDING = 1e-6

export type Parity = NonNullable<UpscaleCard['parity']>

const HINT = 'uprez export --explain names the first layer that differs'

/** What a network is said to be, and has to be compared on. */
export interface Claims extends Pick<NetworkFacts, 'sizeMultiple' | 'flopsPerPixel'> {
  /** Of a network that enlarges pictures. */
  scale?: number
}

/**
 * Runs the network in tfjs and the serialized graph in ONNX Runtime on the same noise and, where it takes pictures, the same drawn ones,
 * at several sizes and one and three at a time where it leaves them free, and compares every value of every output.
 * @throws UprezError `parity-failed` naming output and size, when they differ by more than `allowed`; `unsupported-layer` where tfjs takes
 *   no size
 */
export async function compareWithTfjs(tf: Tf, model: TF.LayersModel, bytes: Uint8Array, claims: Claims): Promise<Parity> {
  const sizes = sizesFor(tf, model, claims)
  const kinds = new Set<string>()
  const session = await openSession(bytes).catch(refused)
  let [maxDifference, largestValue] = [0, 0]
  try {
    for (const one of casesFor(tf, model, sizes)) {
      const expected = await runTfjs(tf, model, one.inputs)
      const got = await session.runAll(await Promise.all(one.inputs.map(input => planesOf(tf, input)))).catch(refused)
      tf.dispose(one.inputs)
      for (const kind of one.kinds) kinds.add(kind)
      for (const [i, want] of expected.entries()) {
        maxDifference = Math.max(maxDifference, differenceOf(want, got[i]!, session.outputs[i]!, one, claims.scale))
        largestValue = Math.max(largestValue, largest(want.data))
      }
    }
  } finally {
    await session.close()
  }
  return {
    maxDifference,
    largestValue,
    against: `TensorFlow.js ${tf.version['tfjs-core']} (${tf.getBackend()}), ONNX Runtime ${onnxRuntimeVersion} (cpu)`,
    sizes: sizes.map(([height, width]) => [height, width]),
    batches: batchesFor(model),
    inputs: KINDS.filter(kind => kinds.has(kind)),
  }
}

/**
 * How far an answer may be from tfjs': `PARITY_LIMIT`, times the largest value where that is more than 1, float32 having seven digits;
 * a tenth of the largest value where that is less, but no less than rounding.
 */
export function allowed(expected: ArrayLike<number>): number {
  const most = largest(expected)
  return Math.min(PARITY_LIMIT * Math.max(1, most), Math.max(SMALL_SHARE * most, ROUNDING))
}

/** NaN where either holds one. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!)
    if (!(difference <= most)) most = difference
    if (Number.isNaN(difference)) return Number.NaN
  }
  return most
}

/** The network's answers as the graph has them. */
export async function runTfjs(tf: Tf, model: TF.LayersModel, inputs: TF.Tensor[]): Promise<Planes[]> {
  const answers = [model.predict(inputs, { batchSize: inputs[0]!.shape[0]! })].flat()
  const planes = await Promise.all(answers.map(answer => planesOf(tf, answer)))
  tf.dispose(answers)
  return planes
}

/**
 * Before anything else is done with a network: weights that are no numbers would make every answer NaN.
 * @throws UprezError `invalid-weights` naming the layer and the weight
 */
export async function refuseBrokenWeights(model: TF.LayersModel): Promise<void> {
  for (const layer of layersIn(model)) {
    for (const weight of layer.weights) {
      const values = await weight.read().data()
      const place = values.findIndex(value => !Number.isFinite(value))
      if (place < 0) continue
      const [name, expected, got] = [weight.originalName, 'finite numbers', `${values[place]} at ${place} of ${values.length}`]
      const message = `layer ${layer.name} (${layer.getClassName()}): weight ${name}: expected ${expected}, got ${got}`
      throw new UprezError('invalid-weights', message, { param: name, expected, got })
    }
  }
}

/** Those of nested models in their place. */
function layersIn(model: TF.LayersModel): TF.layers.Layer[] {
  return model.layers.flatMap(layer => ('layers' in layer ? layersIn(layer as TF.LayersModel) : [layer]))
}

function differenceOf(want: Planes, got: Planes, output: string, { size, batch }: Case, scale: number | undefined): number {
  const dims = scale && size ? [batch, want.dims[1]!, size[0] * scale, size[1] * scale] : want.dims
  const where = `${output}, ${[size && `pictures of ${size.join('×')} (height × width)`, `${batch} at a time`].filter(Boolean).join(', ')}`
  if (String(got.dims) !== String(dims) || String(want.dims) !== String(dims)) {
    throw failed(where, `an answer of ${dims.join('×')}`, `tfjs ${want.dims.join('×')}, ONNX Runtime ${got.dims.join('×')}`)
  }
  const difference = largestDifference(want.data, got.data)
  const limit = allowed(want.data)
  // Not "> limit": a NaN must not pass, nor an infinite difference from what is infinite itself.
  if (Number.isFinite(difference) && difference <= limit) return difference
  throw failed(where, `a difference of at most ${limit}`, String(difference))
}

function refused(cause: Error): never {
  const [expected, got] = ['a graph that ONNX Runtime takes', cause.message]
  throw new UprezError('parity-failed', `ONNX Runtime refuses the exported file: ${got}; ${HINT}`, {
    param: 'model.onnx',
    expected,
    got,
    cause,
  })
}

function failed(where: string, expected: string, got: string): UprezError {
  const message = `tfjs and ONNX Runtime disagree on ${where}: expected ${expected}, got ${got}; ${HINT}`
  return new UprezError('parity-failed', message, { param: 'model.onnx', expected, got })
}

function largest(values: ArrayLike<number>): number {
  let most = 0
  for (let i = 0; i < values.length; i++) if (Math.abs(values[i]!) > most) most = Math.abs(values[i]!)
  return most
}
