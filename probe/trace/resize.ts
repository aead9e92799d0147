import { type Interval, range } from './box.js'
import { attributeOrInput, type Call, fromStart, input, int, ints, known, one, type Rule, text, Untraceable } from './value.js'

/** Resize and its forerunner Upsample. https://onnx.ai/onnx/operators/onnx__Resize.html */

const resize: Rule = call => {
  const { shape } = input(call, 0)
  const axes = factorsOf(call, shape).map(({ factor, length }, axis) => {
    if (length === shape[axis] && factor === 1) return { length, from: (part: Interval) => part }
    const [place, taps] = [placeOf(call, shape[axis]!, length, factor), tapsOf(call, factor)]
    // Divisions leave what would make a whole number a little more or less than that.
    const around = (o: number) => taps(Math.round(place(o) * 1e9) / 1e9).map(i => Math.min(shape[axis]! - 1, Math.max(0, i)))
    return { length, from: ([first, last]: Interval): Interval => [around(first)[0]!, around(last)[1]!] }
  })
  return one(
    axes.map(({ length }) => length),
    part => [part.map((interval, i) => axes[i]!.from(interval))],
  )
}

export const resizes: Record<string, Rule> = { Resize: resize, Upsample: resize }

/** Factor and answer's length of each axis: given as factors, or as lengths. */
function factorsOf(call: Call, shape: number[]): { factor: number; length: number }[] {
  const old = call.node.op === 'Upsample' || call.opset < 11
  const axes = (ints(call, 'axes') ?? range(shape.length)).map(axis => fromStart(axis, shape.length))
  const spread = (values: number[], rest: (axis: number) => number) => shape.map((_, axis) => values[axes.indexOf(axis)] ?? rest(axis))
  const given = old ? attributeOrInput(call, 'scales', 1) : call.inputs[2] && known(call, 2)
  if (given && given.length > 0) {
    const factors = spread(given, () => 1)
    return factors.map((factor, axis) => ({ factor, length: Math.floor(shape[axis]! * factor + 1e-6) }))
  }
  if ((text(call, 'keep_aspect_ratio_policy') ?? 'stretch') !== 'stretch') throw new Untraceable('Resize that keeps proportions')
  const lengths = spread(known(call, 3), axis => shape[axis]!)
  return lengths.map((length, axis) => ({ factor: length / shape[axis]!, length }))
}

/** Where the answer's position o lies in the input. */
function placeOf(call: Call, size: number, length: number, factor: number): (o: number) => number {
  const old = call.node.op === 'Upsample' || call.opset < 11
  const mode = old ? 'asymmetric' : (text(call, 'coordinate_transformation_mode') ?? 'half_pixel')
  switch (mode) {
    case 'asymmetric':
      return o => o / factor
    case 'half_pixel':
    case 'tf_half_pixel_for_nn':
      return o => (o + 0.5) / factor - (mode === 'half_pixel' ? 0.5 : 0)
    case 'pytorch_half_pixel':
      return o => (length > 1 ? (o + 0.5) / factor - 0.5 : 0)
    case 'half_pixel_symmetric':
      return o => (size / 2) * (1 - length / (factor * size)) + (o + 0.5) / factor - 0.5
    case 'align_corners':
      return o => (length > 1 ? (o * (size - 1)) / (length - 1) : 0)
    default:
      throw new Untraceable(`Resize with ${mode}`)
  }
}

/** The input's first and last position that a place is mixed of. */
function tapsOf(call: Call, factor: number): (place: number) => Interval {
  const old = call.node.op === 'Upsample' || call.opset < 11
  const mode = text(call, 'mode') ?? 'nearest'
  if (mode === 'nearest') {
    const round = NEAREST[old ? 'floor' : (text(call, 'nearest_mode') ?? 'round_prefer_floor')]
    if (!round) throw new Untraceable(`Resize with ${text(call, 'nearest_mode')}`)
    return place => [round(place), round(place)]
  }
  const wider = int(call, 'antialias') && factor < 1 ? 1 / factor : 1
  const reach = (mode === 'cubic' ? 2 : 1) * wider
  // Weights are 0 from a distance of `reach` on, and at all whole distances where nothing is reduced.
  return place => (wider === 1 && Number.isInteger(place) ? [place, place] : [Math.floor(place - reach) + 1, Math.ceil(place + reach) - 1])
}

const NEAREST: Record<string, (place: number) => number> = {
  floor: Math.floor,
  ceil: Math.ceil,
  round_prefer_floor: place => Math.ceil(place - 0.5),
  round_prefer_ceil: place => Math.floor(place + 0.5),
}
