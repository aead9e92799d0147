import { type Box, type Interval, permutedPlaces, product, range, regroup, replaced } from './box.js'
import { broadcastShape, partOf } from './pointwise.js'
import {
  attribute,
  attributeOrInput,
  type Call,
  constantOf,
  fixed,
  fromStart,
  input,
  int,
  ints,
  known,
  MOST_NUMBERS,
  type Numbers,
  type Outcome,
  one,
  type Rule,
  type Traced,
  text,
  Untraceable,
} from './value.js'

/** What only puts elements elsewhere, and what tells and makes shapes. */

const shapeOf: Rule = call => {
  const { shape } = input(call, 0)
  const part = shape.slice(int(call, 'start') ?? 0, int(call, 'end') ?? shape.length)
  return list(part)
}

const constantNode: Rule = call => {
  const { value, value_float, value_int, value_floats, value_ints } = call.node.attributes
  if (typeof value === 'object' && 'read' in value) {
    const { shape, numbers } = constantOf(value)
    return fixed(shape, numbers)
  }
  const numbers = value_ints ?? value_floats
  if (Array.isArray(numbers)) return list(numbers as number[], value_ints !== undefined)
  const number = value_int ?? value_float
  if (typeof number === 'number') return fixed([], { data: [number], integer: value_int !== undefined })
  throw new Untraceable('Constant of another kind than numbers')
}

const constantOfShape: Rule = call => {
  const shape = known(call, 0)
  const value = attribute(call, 'value')
  const tensor = typeof value === 'object' && 'read' in value ? constantOf(value).numbers : undefined
  const { data, integer } = tensor ?? { data: [0], integer: false }
  return fixed(shape, product(shape) <= MOST_NUMBERS ? repeated({ data, integer }, product(shape)) : undefined)
}

const rangeNode: Rule = call => {
  const [[start], [limit], [delta]] = [known(call, 0), known(call, 1), known(call, 2)] as [[number], [number], [number]]
  const length = Math.max(0, Math.ceil((limit - start) / delta))
  return length <= MOST_NUMBERS ? list(range(length).map(i => start + i * delta)) : fixed([length])
}

const reshape: Rule = call => {
  const { shape } = input(call, 0)
  const asked = attributeOrInput(call, 'shape', 1) ?? []
  const kept = asked.map((size, i) => (size === 0 && !int(call, 'allowzero') ? shape[i]! : size))
  const rest = product(kept.filter(size => size !== -1))
  return reshaped(
    call,
    kept.map(size => (size === -1 ? product(shape) / rest : size)),
  )
}

const flatten: Rule = call => {
  const { shape } = input(call, 0)
  const axis = fromStart(int(call, 'axis') ?? 1, shape.length)
  return reshaped(call, [product(shape.slice(0, axis)), product(shape.slice(axis))])
}

const squeeze: Rule = call => {
  const { shape } = input(call, 0)
  const axes = attributeOrInput(call, 'axes', 1)?.map(axis => fromStart(axis, shape.length))
  return reshaped(
    call,
    shape.filter((size, i) => (axes ? !axes.includes(i) : size !== 1)),
  )
}

const unsqueeze: Rule = call => {
  const rest = [...input(call, 0).shape]
  const given = attributeOrInput(call, 'axes', 1) ?? []
  const rank = rest.length + given.length
  const axes = given.map(axis => fromStart(axis, rank))
  return reshaped(
    call,
    range(rank).map(i => (axes.includes(i) ? 1 : rest.shift()!)),
  )
}

const transpose: Rule = call => {
  const { shape, numbers } = input(call, 0)
  const order = ints(call, 'perm') ?? range(shape.length).reverse()
  const data = numbers && { ...numbers, data: permutedPlaces(shape, order).map(i => numbers.data[i]!) }
  const answer = order.map(axis => shape[axis]!)
  return one(answer, part => [unpermuted(part, order)], data)
}

/** DCR takes the block from the channels' outer part, CRD from their inner one. */
const depthToSpace: Rule = call => {
  const [n, c, h, w] = fourSides(call)
  const b = int(call, 'blocksize')!
  const inner = c / b ** 2
  const apart = text(call, 'mode') === 'CRD' ? [n, inner, b, b, h, w] : [n, b, b, inner, h, w]
  const order = text(call, 'mode') === 'CRD' ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]
  return rearranged(call, apart, order, [n, inner, h * b, w * b])
}

const spaceToDepth: Rule = call => {
  const [n, c, h, w] = fourSides(call)
  const b = int(call, 'blocksize')!
  return rearranged(call, [n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4], [n, c * b ** 2, h / b, w / b])
}

const concat: Rule = call => {
  const inputs = call.inputs.filter(value => value !== undefined)
  const { shape } = inputs[0]!
  const axis = fromStart(int(call, 'axis') ?? 1, shape.length)
  const sizes = inputs.map(value => value.shape[axis]!)
  const others = inputs.map(value => value.shape.filter((_, i) => i !== axis).join('×'))
  if (new Set(others).size > 1) throw new Untraceable(`Concat of ${inputs.map(value => value.shape.join('×')).join(' and ')}`)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const numbers = inputs.map(value => value.numbers)
  const all = shape.length === 1 && numbers.every(given => given !== undefined)
  const data = all
    ? { data: numbers.flatMap(given => Array.from(given!.data)), integer: numbers.every(given => given!.integer) }
    : undefined
  const starts = sizes.map((_, k) => sizes.slice(0, k).reduce((sum, size) => sum + size, 0))
  const within = (part: Box, k: number) => replaced(part, axis, [part[axis]![0] - starts[k]!, part[axis]![1] - starts[k]!])
  return one(
    shape.map((size, i) => (i === axis ? total : size)),
    part => sizes.map((_, k) => within(part, k)),
    data,
  )
}

const split: Rule = call => {
  const given = input(call, 0)
  const axis = fromStart(int(call, 'axis') ?? 0, given.shape.length)
  const size = given.shape[axis]!
  const count = call.node.outputs.length
  const share = Math.ceil(size / count)
  const sizes = attributeOrInput(call, 'split', 1) ?? range(count).map(i => Math.min(share, size - i * share))
  const starts = sizes.map((_, k) => sizes.slice(0, k).reduce((sum, size) => sum + size, 0))
  const shares = sizes.map((length, k) =>
    picked(
      given,
      axis,
      positions(call, length).map(i => starts[k]! + i),
    ),
  )
  return { outputs: shares.flatMap(({ outputs }) => outputs), sources: (part, output) => shares[output]!.sources(part, 0) }
}

const slice: Rule = call => {
  const given = input(call, 0)
  const starts = attributeOrInput(call, 'starts', 1)!
  const ends = attributeOrInput(call, 'ends', 2)!
  const axes = attributeOrInput(call, 'axes', 3) ?? range(starts.length)
  const steps = call.inputs[4] ? known(call, 4) : starts.map(() => 1)
  return inTurn(given, axes.length, (value, k) => {
    const axis = fromStart(axes[k]!, given.shape.length)
    return picked(value, axis, sliceOf(call, value.shape[axis]!, starts[k]!, ends[k]!, steps[k]!))
  })
}

const gather: Rule = call => {
  const [given, indices] = [input(call, 0), input(call, 1)]
  const axis = fromStart(int(call, 'axis') ?? 0, given.shape.length)
  const size = given.shape[axis]!
  const shape = [...given.shape.slice(0, axis), ...indices.shape, ...given.shape.slice(axis + 1)]
  const rank = indices.shape.length
  const lookedUp = (part: Box) => part.slice(axis, axis + rank)
  if (!indices.numbers) {
    return one(shape, part => [[...part.slice(0, axis), [0, size - 1], ...part.slice(axis + rank)], lookedUp(part)])
  }
  const at = Array.from(indices.numbers.data, i => fromStart(i, size))
  const flat = picked(given, axis, at)
  const joined = (part: Box): Box => [
    ...part.slice(0, axis),
    ...regroup(lookedUp(part), indices.shape, [at.length]),
    ...part.slice(axis + rank),
  ]
  return one(shape, part => [...flat.sources(joined(part), 0), lookedUp(part)], flat.outputs[0]!.numbers)
}

const expand: Rule = call => {
  const { shape, numbers } = input(call, 0)
  const answer = broadcastShape([shape, known(call, 1)], 'Expand')
  const count = product(answer)
  const data = numbers?.data.length === 1 && count <= MOST_NUMBERS ? repeated(numbers, count) : undefined
  return one(answer, part => [partOf(part, shape)], data)
}

const tile: Rule = call => {
  const repeats = known(call, 1)
  return inTurn(input(call, 0), repeats.length, (value, axis) => {
    const size = value.shape[axis]!
    return picked(
      value,
      axis,
      positions(call, size * repeats[axis]!).map(i => i % size),
    )
  })
}

/** Zeros, the edge repeated, the picture mirrored or wrapped around. */
const pad: Rule = call => {
  const { shape } = input(call, 0)
  const pads = attributeOrInput(call, 'pads', 1) ?? []
  const axes = call.inputs[3] ? known(call, 3).map(axis => fromStart(axis, shape.length)) : range(pads.length / 2)
  const before = (axis: number) => pads[axes.indexOf(axis)] ?? 0
  const after = (axis: number) => pads[axes.indexOf(axis) + axes.length] ?? 0
  const from = PADDING[text(call, 'mode') ?? 'constant'] ?? PADDING.wrap!
  return one(
    shape.map((size, axis) => size + before(axis) + after(axis)),
    part => [part.map(([first, last], axis) => from([first - before(axis), last - before(axis)], shape[axis]!))],
  )
}

/** What an interval that may stick out over the edges is made of. */
const PADDING: Record<string, (interval: Interval, size: number) => Interval> = {
  constant: interval => interval,
  edge: ([first, last], size) => [Math.min(size - 1, Math.max(0, first)), Math.min(size - 1, Math.max(0, last))],
  reflect: ([first, last], size) => {
    const mirrored = [first, last].map(i => (i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i))
    return [first < 0 && last >= 0 ? 0 : Math.min(...mirrored), first < size && last >= size ? size - 1 : Math.max(...mirrored)]
  },
  wrap: ([first, last], size) => (first < 0 || last >= size ? [0, size - 1] : [first, last]),
}

export const arrange: Record<string, Rule> = {
  Shape: shapeOf,
  Size: call => fixed([], { data: [product(input(call, 0).shape)], integer: true }),
  Constant: constantNode,
  ConstantOfShape: constantOfShape,
  Range: rangeNode,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Concat: concat,
  Split: split,
  Slice: slice,
  Gather: gather,
  Expand: expand,
  Tile: tile,
  Pad: pad,
}

const list = (data: number[], integer = true): Outcome => fixed([data.length], { data, integer })

const repeated = ({ data, integer }: Numbers, count: number): Numbers => ({ data: Array<number>(count).fill(data[0]!), integer })

function reshaped(call: Call, shape: number[]): Outcome {
  const given = input(call, 0)
  demandSameSize(call, given.shape, shape)
  return one(shape, part => [regroup(part, shape, given.shape)], given.numbers)
}

/** Taken apart, its dimensions put in order, and joined. */
function rearranged(call: Call, apart: number[], order: number[], shape: number[]): Outcome {
  const given = input(call, 0).shape
  demandSameSize(call, given, apart)
  const between = order.map(axis => apart[axis]!)
  return one(shape, part => [regroup(unpermuted(regroup(part, shape, between), order), apart, given)])
}

function demandSameSize({ node }: Call, from: number[], to: number[]): void {
  if (to.every(size => Number.isInteger(size) && size > 0) && product(from) === product(to)) return
  throw new Untraceable(`${node.op} of ${from.join('×')} to ${to.join('×')}`)
}

function unpermuted(part: Box, order: number[]): Box {
  return order.map((_, axis) => part[order.indexOf(axis)]!)
}

/** The longest side that is looked at (analysis.ts), sixteen times enlarged: along any other axis of a network's there is less. */
const MOST_POSITIONS = 2 ** 18

/** From 0 on, so many: a file of a few bytes may ask for more than there is memory. */
function positions({ node }: Call, count: number): number[] {
  if (!(count <= MOST_POSITIONS)) throw new Untraceable(`${node.op} of ${count.toLocaleString('en')} positions`)
  return range(count)
}

/** The positions `at` along an axis, in this order. */
function picked({ shape, numbers }: Traced, axis: number, at: number[]): Outcome {
  const size = shape[axis]!
  const inner = product(shape.slice(axis + 1))
  const outer = product(shape.slice(0, axis))
  const known = numbers && outer * at.length * inner <= MOST_NUMBERS ? numbers : undefined
  const data = known && {
    ...known,
    data: range(outer).flatMap(a => at.flatMap(i => range(inner).map(b => known.data[(a * size + i) * inner + b]!))),
  }
  return one(
    shape.map((length, i) => (i === axis ? at.length : length)),
    part => {
      const [first, last] = part[axis]!
      const chosen = at.slice(Math.max(0, first), last + 1)
      return [chosen.length === 0 ? undefined : replaced(part, axis, [least(chosen), most(chosen)])]
    },
    data,
  )
}

const least = (numbers: number[]) => numbers.reduce((a, b) => Math.min(a, b))
const most = (numbers: number[]) => numbers.reduce((a, b) => Math.max(a, b))

/** One step after the other. */
function inTurn(given: Traced, count: number, step: (value: Traced, k: number) => Outcome): Outcome {
  const steps: Outcome[] = []
  let last = given
  for (let k = 0; k < count; k++) {
    steps.push(step(last, k))
    last = steps.at(-1)!.outputs[0]!
  }
  const back = (part: Box | undefined, { sources }: Outcome) => part && sources(part, 0)[0]
  return one(last.shape, part => [steps.reduceRight<Box | undefined>(back, part)], last.numbers)
}

/** Positions of a slice, which may run backwards. https://onnx.ai/onnx/operators/onnx__Slice.html */
function sliceOf(call: Call, size: number, start: number, end: number, step: number): number[] {
  const clamp = (i: number, low: number, high: number) => Math.min(high, Math.max(low, i < 0 ? i + size : i))
  const [first, last] = step > 0 ? [clamp(start, 0, size), clamp(end, 0, size)] : [clamp(start, 0, size - 1), clamp(end, -1, size - 1)]
  return positions(call, Math.max(0, Math.ceil((last - first) / step))).map(i => first + i * step)
}

function fourSides(call: Call): [number, number, number, number] {
  const { shape } = input(call, 0)
  if (shape.length !== 4) throw new Untraceable(`${call.node.op} of ${shape.length} dimensions`)
  return shape as [number, number, number, number]
}
