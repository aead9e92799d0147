import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import type { Tf } from '../nets/engine.js'
import type { NetworkFacts } from '../nets/facts.js'
import { isNetwork, walk } from '../nets/walk.js'
import { drawLeaves } from '../probe/picture.js'
import type { Planes } from '../probe/session.js'

/** [height, width] */
export type Size = readonly [number, number]

/** What inputs hold: noise from −1 to 1, or drawn pictures from 0 to 1. */
export const KINDS = ['noise', 'drawn pictures'] as const
type Kind = (typeof KINDS)[number]

/** What a network is tried on. */
export interface Case {
  /** Of its pictures; undefined where it takes none. */
  size: Size | undefined
  batch: number
  /** What is among the inputs. */
  kinds: ReadonlySet<Kind>
  /** As tfjs takes them. */
  inputs: TF.Tensor[]
}

/** In units of the network's size multiple, the first being the least that it takes: odd, even, wide, tall and smaller than what it looks at. */
const SIZES: readonly Size[] = [
  [1, 1],
  [7, 9],
  [12, 10],
  [17, 31],
  [45, 24],
  [64, 48],
]
const FEWEST_SIZES = 3
const BATCHES = [1, 3]
/** About a second on the wasm engine: a dear network is tried on the smaller sizes alone. */
const OPERATIONS = 1.5e10
const UNITS = [1, 2, 4, 8, 16, 32, 64]
/** A network that takes no picture of so many pixels a side is not asked for larger ones. */
const LARGEST_LEAST = 256

/**
 * The sizes that a network is tried on: one where its input is fixed, none where it takes no pictures.
 * @throws UprezError `unsupported-layer` where tfjs takes no size
 */
export function sizesFor(tf: Tf, model: TF.LayersModel, about: Pick<NetworkFacts, 'sizeMultiple' | 'flopsPerPixel'>): Size[] {
  if (!takesAnySize(model)) {
    const picture = model.inputs.find(({ shape }) => shape.length === 4)
    return picture ? [[picture.shape[1]!, picture.shape[2]!]] : []
  }
  const pictures = batchesFor(model).reduce((a, b) => a + b)
  const more = leastSide(tf, model, about.sizeMultiple) - about.sizeMultiple
  const sizes: Size[] = []
  let operations = 0
  for (const [h, w] of SIZES) {
    const size: Size = [h * about.sizeMultiple + more, w * about.sizeMultiple + more]
    operations += pictures * size[0] * size[1] * about.flopsPerPixel
    if (sizes.length >= FEWEST_SIZES && operations > OPERATIONS) break
    sizes.push(size)
  }
  return sizes
}

/** How many pictures at a time. */
export function batchesFor(model: TF.LayersModel): number[] {
  const [batch] = model.inputs[0]!.shape
  return batch ? [batch] : BATCHES
}

/**
 * Every size and batch: noise and drawn pictures by turns, in each input that takes pictures; the others get noise. The same at every
 * call.
 */
export function* casesFor(tf: Tf, model: TF.LayersModel, sizes: Size[]): Generator<Case> {
  const batches = batchesFor(model)
  const each = (sizes.length > 0 ? sizes : [undefined]).flatMap(size => batches.map(batch => ({ size, batch })))
  // Where nothing is free, one case would be all noise or all drawn.
  const cases = each.length === 1 ? [...each, ...each] : each
  for (const [turn, { size, batch }] of cases.entries()) {
    const kinds = new Set<Kind>()
    const inputs = model.inputs.map(({ shape }, k) => {
      const sides = sized(shape, size)
      const parts = Array.from({ length: batch }, (_, i) => {
        const kind = sides.length === 3 && (turn + k + i) % 2 === 0 ? 'drawn pictures' : 'noise'
        kinds.add(kind)
        return { kind, seed: turn * model.inputs.length + k, place: i } as const
      })
      return tf.tidy(() => tf.concat(parts.map(part => example(tf, sides, part))))
    })
    yield { size, batch, kinds, inputs }
  }
}

/**
 * The smallest side of a picture, of those tried, that tfjs takes: borders that are cut off or mirrored want some picture. Of most
 * networks it is one size multiple.
 * @throws UprezError `unsupported-layer` where it takes none
 */
export function leastSide(tf: Tf, model: TF.LayersModel, sizeMultiple: number): number {
  if (!takesAnySize(model)) return sizeMultiple
  let reason: unknown
  for (let side = sizeMultiple; side <= Math.max(sizeMultiple, LARGEST_LEAST); side *= 2) {
    try {
      tf.tidy(() => tryOnce(tf, model, [side, side]))
      return side
    } catch (error) {
      reason = error
    }
  }
  throw refused(model, `a network that takes pictures of ${sizeMultiple} to ${LARGEST_LEAST} pixels a side`, reason)
}

/**
 * The smallest unit of size that a network takes of which nothing is known, found by trying.
 * @throws UprezError `unsupported-layer` where it takes none
 */
export function findSizeMultiple(tf: Tf, model: TF.LayersModel): number {
  if (!takesAnySize(model)) return 1
  let reason: unknown
  for (const unit of UNITS) {
    try {
      for (const [h, w] of SIZES.slice(0, FEWEST_SIZES)) tf.tidy(() => tryOnce(tf, model, [h * unit, w * unit]))
      return unit
    } catch (error) {
      reason = error
    }
  }
  throw refused(model, `a network that takes pictures whose sides are multiples of one of ${UNITS.join(', ')}`, reason)
}

function refused(model: TF.LayersModel, expected: string, reason: unknown): UprezError {
  const got = reason instanceof Error ? reason.message : String(reason)
  return new UprezError('unsupported-layer', `${model.name}: expected ${expected}; tfjs says: ${got}`, { param: model.name, expected, got })
}

function tryOnce(tf: Tf, model: TF.LayersModel, size: Size): void {
  const shapes = model.inputs.map(({ shape }) => [shape[0] ?? 1, ...sized(shape, size)])
  // tfjs' kernels do not look whether anything is left: the wasm engine's write elsewhere then.
  shapesOf(model, shapes)
  model.predict(shapes.map(shape => tf.zeros(shape)))
}

/**
 * Shapes of the answers to inputs of such shapes.
 * @throws Error naming the layer that leaves nothing of them
 */
function shapesOf(network: TF.LayersModel, given: TF.Shape[]): TF.Shape[] {
  return walk(network, given, (layer, inputs) => {
    const [alone] = inputs.length === 1 ? inputs : []
    const answers = isNetwork(layer) ? shapesOf(layer, inputs) : ([layer.computeOutputShape(alone ?? inputs)] as TF.Shape[])
    if (answers.flat().some(side => side !== null && side < 1)) {
      throw new Error(`nothing is left of ${inputs.map(shape => shape.join('×')).join(' and ')} behind layer ${layer.name}`)
    }
    return answers
  })
}

/** A tensor of tfjs as the graph has it: pictures NCHW. */
export async function planesOf(tf: Tf, x: TF.Tensor): Promise<Planes> {
  const values = x.rank === 4 ? tf.transpose(x, [0, 3, 1, 2]) : x.clone()
  const data = (await values.data()) as Float32Array
  values.dispose()
  return { data, dims: values.shape }
}

function takesAnySize(model: TF.LayersModel): boolean {
  return model.inputs.some(({ shape }) => shape.slice(1).includes(null))
}

/** Shape of one picture: what is free is as high and as wide as `size`. */
function sized([, ...sides]: TF.Shape, size: Size | undefined): number[] {
  const free = [...(size ?? [])]
  return sides.map(side => side ?? free.shift() ?? 1)
}

function example(tf: Tf, shape: number[], { kind, seed, place }: { kind: Kind; seed: number; place: number }): TF.Tensor {
  if (kind === 'drawn pictures') return drawn(tf, shape as [number, number, number], seed + place)
  return tf.randomUniform([1, ...shape], -1, 1, 'float32', seed * 100 + place)
}

/** Leaves, whose colours are dealt out to the channels in turn. */
function drawn(tf: Tf, [height, width, channels]: [number, number, number], seed: number): TF.Tensor {
  const { data } = drawLeaves(width, height, seed)
  const values = Float32Array.from({ length: height * width * channels }, (_, i) => {
    return data[Math.floor(i / channels) * 3 + ((i % channels) % 3)]! / 255
  })
  return tf.tensor4d(values, [1, height, width, channels])
}
