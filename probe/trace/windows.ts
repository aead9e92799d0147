import { type Box, type Interval, product } from './box.js'
import { type Call, input, int, ints, one, type Rule, text, Untraceable } from './value.js'

/** Convolutions and poolings: a window that moves over the axes behind batch and channels. */

interface Window {
  size: number[]
  strides: number[]
  dilations: number[]
  /** Of each axis. */
  begins: number[]
  ends: number[]
}

const convolution: Rule = call => {
  const [picture, kernel] = [input(call, 0), input(call, KERNEL[call.node.op] ?? 1)]
  const [outputs, perGroup, ...size] = kernel.shape as [number, number, ...number[]]
  const window = windowOf(call, picture.shape.slice(2), size)
  const shape = [picture.shape[0]!, outputs, ...sizesOf(call, picture.shape.slice(2), window)]
  const outputsPerGroup = outputs / (int(call, 'group') ?? 1)
  const sources = ([batch, channels, ...places]: Box): Box[] => [
    [batch!, groupsOf(channels!, outputsPerGroup, perGroup), ...under(places, window)],
  ]
  return { ...one(shape, sources), multiplyAdds: product(shape) * perGroup * product(size) }
}

/** The input that holds the kernel, where it is not the second. */
const KERNEL: Record<string, number> = { QLinearConv: 3 }

const transposedConvolution: Rule = call => {
  const [picture, kernel] = [input(call, 0), input(call, 1)]
  const [batch, , ...sides] = picture.shape as [number, number, ...number[]]
  const [inputs, perGroup, ...size] = kernel.shape as [number, number, ...number[]]
  const groups = int(call, 'group') ?? 1
  const window = windowOf(call, sides, size)
  const { strides, dilations } = window
  const extra = ints(call, 'output_padding') ?? size.map(() => 0)
  const asked = ints(call, 'output_shape') ?? (isSame(call) ? sides.map((side, i) => side * strides[i]!) : undefined)
  const uncut = sides.map((side, i) => (side - 1) * strides[i]! + dilations[i]! * (size[i]! - 1) + 1 + extra[i]!)
  const lengths = asked ?? uncut.map((length, i) => length - window.begins[i]! - window.ends[i]!)
  const round = text(call, 'auto_pad') === 'SAME_LOWER' ? Math.ceil : Math.floor
  const begins = asked ? uncut.map((length, i) => round((length - asked[i]!) / 2)) : window.begins
  const from = ([first, last]: Interval, i: number): Interval => [
    Math.ceil((first + begins[i]! - dilations[i]! * (size[i]! - 1)) / strides[i]!),
    Math.floor((last + begins[i]!) / strides[i]!),
  ]
  const sources = ([batch, channels, ...places]: Box): Box[] => [
    [batch!, groupsOf(channels!, perGroup, inputs / groups), ...places.map(from)],
  ]
  const shape = [batch, perGroup * groups, ...lengths]
  return { ...one(shape, sources), multiplyAdds: product(picture.shape) * perGroup * product(size) }
}

const pooling: Rule = call => {
  const picture = input(call, 0)
  const given = picture.shape.slice(2)
  const window = windowOf(call, given, ints(call, 'kernel_shape')!)
  const shape = [...picture.shape.slice(0, 2), ...sizesOf(call, given, window)]
  return one(shape, ([batch, channels, ...places]) => [[batch!, channels!, ...under(places, window)]])
}

export const windows: Record<string, Rule> = {
  Conv: convolution,
  ConvInteger: convolution,
  QLinearConv: convolution,
  FusedConv: convolution,
  ConvTranspose: transposedConvolution,
  MaxPool: pooling,
  AveragePool: pooling,
  LpPool: pooling,
}

function windowOf(call: Call, sides: number[], size: number[]): Window {
  const strides = ints(call, 'strides') ?? size.map(() => 1)
  const dilations = ints(call, 'dilations') ?? size.map(() => 1)
  const pads = ints(call, 'pads') ?? [...size, ...size].map(() => 0)
  if (!isSame(call)) return { size, strides, dilations, begins: pads.slice(0, size.length), ends: pads.slice(size.length) }
  const totals = sides.map((n, i) => Math.max(0, (Math.ceil(n / strides[i]!) - 1) * strides[i]! + dilations[i]! * (size[i]! - 1) + 1 - n))
  const [less, more] = [totals.map(total => Math.floor(total / 2)), totals.map(total => Math.ceil(total / 2))]
  return text(call, 'auto_pad') === 'SAME_UPPER'
    ? { size, strides, dilations, begins: less, ends: more }
    : { size, strides, dilations, begins: more, ends: less }
}

const isSame = (call: Call) => text(call, 'auto_pad')?.startsWith('SAME') ?? false

function sizesOf(call: Call, sides: number[], { size, strides, dilations, begins, ends }: Window): number[] {
  const round = int(call, 'ceil_mode') ? Math.ceil : Math.floor
  return sides.map((n, i) => {
    const length = round((n + begins[i]! + ends[i]! - dilations[i]! * (size[i]! - 1) - 1) / strides[i]!) + 1
    if (!(length > 0)) throw new Untraceable(`${call.node.op} on a side of ${n}`)
    return length
  })
}

/** What the windows over these places hold. */
function under(places: Box, { size, strides, dilations, begins }: Window): Box {
  return places.map(([first, last], i) => [
    first * strides[i]! - begins[i]!,
    last * strides[i]! - begins[i]! + dilations[i]! * (size[i]! - 1),
  ])
}

/** The input channels that these output channels are made of. */
function groupsOf([first, last]: Interval, outputs: number, inputs: number): Interval {
  return [Math.floor(first / outputs) * inputs, (Math.floor(last / outputs) + 1) * inputs - 1]
}
