import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import type { Tf } from '../nets/engine.js'
import type { NetworkFacts } from '../nets/facts.js'
import { drawLeaves } from '../probe/picture.js'
import type { Planes } from '../probe/session.js'

/** [height, width] */
export type Size = readonly [number, number]

/** What a network is tried on. */
export interface Case {
  /** Of its pictures; undefined where it takes none. */
  size: Size | undefined
  batch: number
  /** As tfjs takes them. */
  inputs: TF.Tensor[]
}

/** In units of the network's size multiple: odd, even, wide, tall and smaller than what it looks at. */
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

/** The sizes that a network is tried on: one where its input is fixed, none where it takes no pictures. */
export function sizesFor(model: TF.LayersModel, about: Pick<NetworkFacts, 'sizeMultiple' | 'flopsPerPixel'>): Size[] {
  if (!takesAnySize(model)) {
    const picture = model.inputs.find(({ shape }) => shape.length === 4)
    return picture ? [[picture.shape[1]!, picture.shape[2]!]] : []
  }
  const pictures = batchesFor(model).reduce((a, b) => a + b)
  const sizes: Size[] = []
  let operations = 0
  for (const [h, w] of SIZES) {
    const size: Size = [h * about.sizeMultiple, w * about.sizeMultiple]
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

/** Whether drawn pictures are among the inputs: what is no picture gets noise alone. */
export function takesPictures(model: TF.LayersModel): boolean {
  return model.inputs.some(({ shape }) => shape.length === 4)
}

/** Every size and batch: noise from −1 to 1 and drawn pictures from 0 to 1 by turns. The same at every call. */
export function* casesFor(tf: Tf, model: TF.LayersModel, sizes: Size[]): Generator<Case> {
  let seed = 0
  for (const size of sizes.length > 0 ? sizes : [undefined]) {
    for (const batch of batchesFor(model)) {
      yield { size, batch, inputs: model.inputs.map(({ shape }) => mixed(tf, sized(shape, size), batch, seed++)) }
    }
  }
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
  const expected = `a network that takes pictures whose sides are multiples of ${UNITS.join(', ')} or ${UNITS.at(-1)}`
  const got = reason instanceof Error ? reason.message : String(reason)
  throw new UprezError('unsupported-layer', `${model.name}: expected ${expected}; tfjs says: ${got}`, { param: model.name, expected, got })
}

function tryOnce(tf: Tf, model: TF.LayersModel, size: Size): void {
  const answer = model.predict(model.inputs.map(({ shape }) => tf.zeros([shape[0] ?? 1, ...sized(shape, size)])))
  for (const { shape } of [answer].flat()) if (shape.includes(0)) throw new Error(`nothing is left of ${size.join('×')}`)
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

function mixed(tf: Tf, shape: number[], batch: number, seed: number): TF.Tensor {
  return tf.tidy(() => {
    const each = Array.from({ length: batch }, (_, i) =>
      shape.length === 3 && (seed + i) % 2 === 0
        ? drawn(tf, shape as [number, number, number], seed + i)
        : tf.randomUniform([1, ...shape], -1, 1, 'float32', seed * 100 + i),
    )
    return tf.concat(each)
  })
}

/** Leaves, whose colours are dealt out to the channels in turn. */
function drawn(tf: Tf, [height, width, channels]: [number, number, number], seed: number): TF.Tensor {
  const { data } = drawLeaves(width, height, seed)
  const values = Float32Array.from({ length: height * width * channels }, (_, i) => {
    return data[Math.floor(i / channels) * 3 + ((i % channels) % 3)]! / 255
  })
  return tf.tensor4d(values, [1, height, width, channels])
}
