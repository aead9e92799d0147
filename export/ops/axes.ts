import type { Constant } from '../graph.js'
import { floats, ints } from '../graph.js'
import type { LayerCall, Shape } from './call.js'

/** Where an axis of tfjs stands in the graph: pictures (four dimensions) are NHWC there and NCHW here. */
export function graphAxis(axis: number, rank: number): number {
  const counted = axis < 0 ? axis + rank : axis
  return rank === 4 ? [0, 2, 3, 1][counted]! : counted
}

/** Something for each of tfjs' axes, in the graph's order. */
export function inGraphOrder<T>(axes: T[]): T[] {
  return axes.length === 4 ? [0, 3, 1, 2].map(axis => axes[axis]!) : axes
}

/** Numbers along tfjs' last axis, of dimensions that broadcast over a value of this rank. */
export function alongLast(data: ArrayLike<number>, rank: number): Constant {
  return floats(rank === 4 ? [data.length, 1, 1] : [data.length], data)
}

export function transpose(call: LayerCall, x: string, perm: number[]): string {
  return call.add('Transpose', [x], { perm: { ints: perm } })
}

/** The same numbers in the order in which tfjs holds them; their dimensions may still be the graph's. */
export function toTfjsOrder(call: LayerCall, x: string, shape: Shape): string {
  return liesAlike(shape) ? x : transpose(call, x, [0, 2, 3, 1])
}

/** Numbers that lie in tfjs' order as a value of this tfjs shape, without the batch; at most one size is free. */
export function fromTfjsOrder(call: LayerCall, x: string, sizes: Shape): string {
  const alike = liesAlike([null, ...sizes])
  // To ONNX, 0 is the size that the input has there.
  const dims = [0, ...sizes.map(size => size ?? -1)]
  const shaped = call.add('Reshape', [x, call.constant('shape', ints(alike ? inGraphOrder(dims) : dims))])
  return alike ? shaped : transpose(call, shaped, [0, 3, 1, 2])
}

/** One channel, or one pixel, lies in memory alike both ways. */
function liesAlike(shape: Shape): boolean {
  const [, height, width, channels] = shape
  return shape.length !== 4 || channels === 1 || (height === 1 && width === 1)
}
