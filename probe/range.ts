import { resize } from '../image/resize.js'
import type { Port } from '../models/card.js'
import { decode, type ForeignSession, throughPorts } from './foreign.js'
import { toPlanes } from './halo.js'
import type { Size } from './layout.js'
import { drawLeaves } from './picture.js'
import { RANGES } from './ranges.js'
import type { Planes } from './session.js'

/** What a network takes and gives, found by asking it for pictures whose enlargement is known. */
export interface Ranges {
  input: Pick<Port, 'range' | 'order'>
  output: Pick<Port, 'range' | 'order'>
  /** By range of the input: root mean square difference of flat colours from what they are, on [0, 1], as the best reading of the answer has it. */
  errors: { range: Port['range']; error: number }[]
  /** Another range answers as well. */
  alike: boolean
  /** Of the answer for a picture and its truth: 1 is the same up to brightness and contrast. */
  correlation: number
}

/** Without biases a network answers alike in several ranges: the usual one is taken unless another is better by so much. */
const ALIKE = { factor: 1.05, difference: 0.1 / 255 }

/**
 * An upscaler that was trained keeps flat colours as they are, in the range that it was trained in; elsewhere its biases weigh too
 * much or too little.
 * @param size that it takes
 */
export async function findRanges(session: ForeignSession, input: Port, output: Port, scale: number, size: Size): Promise<Ranges> {
  const patches = drawPatches(size, input.channels)
  const raw: Port = { ...output, range: [0, 1], order: 'RGB' }
  const tried: Tried[] = []
  for (const range of rangesOf(input)) {
    const answer = await throughPorts(session, { ...input, range }, raw).run(patches)
    for (const outRange of rangesOf(output)) {
      for (const order of output.channels === 3 && input.channels === 3 ? (['RGB', 'BGR'] as const) : [output.order]) {
        const read = decode(answer, { ...raw, type: 'float32', layout: 'NCHW', range: outRange, order })
        tried.push({ range, outRange, order, error: patchError(read) })
      }
    }
  }
  const best = tried.reduce((a, b) => (b.error < a.error ? b : a))
  const alike = tried.filter(({ error }) => error <= best.error * ALIKE.factor || error - best.error <= ALIKE.difference)
  const chosen = alike.find(({ range, outRange }) => range === outRange) ?? best
  const found = { input: { range: chosen.range, order: input.order }, output: { range: chosen.outRange, order: chosen.order } }
  return {
    ...found,
    errors: rangesOf(input).map(range => {
      const errors = tried.filter(other => other.range === range).map(({ error }) => error)
      return { range, error: Math.min(...errors) }
    }),
    alike: alike.some(({ range }) => range !== chosen.range),
    correlation: await resemblance(throughPorts(session, { ...input, ...found.input }, { ...output, ...found.output }), scale, size),
  }
}

interface Tried {
  range: Port['range']
  outRange: Port['range']
  order: Port['order']
  error: number
}

const rangesOf = ({ type }: Port) => (type === 'uint8' ? [RANGES['0..255']] : Object.values<Port['range']>(RANGES))

/** Three by two. */
const COLOURS = [
  [0, 0, 0],
  [1, 1, 1],
  [0.5, 0.5, 0.5],
  [0.9, 0.2, 0.1],
  [0.1, 0.7, 0.2],
  [0.2, 0.3, 0.9],
]

function drawPatches({ width, height }: Size, channels: number): Planes {
  const data = new Float32Array(channels * width * height)
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const patch = Math.floor((x * 3) / width) + 3 * Math.floor((y * 2) / height)
        data[(c * height + y) * width + x] = valueOfPatch(patch, c, channels)
      }
    }
  }
  return { data, dims: [1, channels, height, width] }
}

/** A single channel gets the greens. */
const valueOfPatch = (patch: number, c: number, channels: number) => COLOURS[patch]![channels === 1 ? 1 : c]!

/** In the middle quarter of each patch. Infinite where an answer is no number. */
function patchError({ data, dims }: Planes): number {
  const [, channels, height, width] = dims as [number, number, number, number]
  let [sum, count] = [0, 0]
  for (let patch = 0; patch < COLOURS.length; patch++) {
    const [wide, high] = [width / 3, height / 2]
    const [left, top] = [(patch % 3) * wide, Math.floor(patch / 3) * high]
    for (let y = Math.ceil(top + (3 * high) / 8); y < top + (5 * high) / 8; y++) {
      for (let x = Math.ceil(left + (3 * wide) / 8); x < left + (5 * wide) / 8; x++) {
        for (let c = 0; c < channels; c++) sum += (data[(c * height + y) * width + x]! - valueOfPatch(patch, c, channels)) ** 2
        count += channels
      }
    }
  }
  const error = Math.sqrt(sum / count)
  return Number.isNaN(error) ? Number.POSITIVE_INFINITY : error
}

/** How like a large picture what the network makes of its reduction is. */
async function resemblance(through: ReturnType<typeof throughPorts>, scale: number, { width, height }: Size): Promise<number> {
  const large = drawLeaves(width * scale, height * scale, 21)
  const answer = await through.run(toPlanes(resize(large, { width, height, kernel: 'bicubic' })))
  const truth = toPlanes(large).data
  const area = width * height * scale ** 2
  return correlation(answer.data, answer.dims[1] === 1 ? truth.subarray(area, 2 * area) : truth)
}

/** Pearson's; 0 where one of them is flat or no number. */
function correlation(a: Float32Array, b: Float32Array): number {
  const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanA, meanB] = [mean(a), mean(b)]
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    ab += (a[i]! - meanA) * (b[i]! - meanB)
    aa += (a[i]! - meanA) ** 2
    bb += (b[i]! - meanB) ** 2
  }
  const value = ab / Math.sqrt(aa * bb)
  return Number.isNaN(value) ? 0 : value
}
