/** From the first to the last position along a dimension, both included. */
export type Interval = readonly [first: number, last: number]

/** A part of a value: an interval for each of its dimensions. */
export type Box = Interval[]

export const all = (size: number): Interval => [0, size - 1]

export const whole = (shape: number[]): Box => shape.map(all)

/** The smallest box that holds both. */
export function hull(a: Box | undefined, b: Box): Box {
  return a ? a.map(([first, last], i) => [Math.min(first, b[i]![0]), Math.max(last, b[i]![1])]) : b
}

/** What lies inside a value of this shape; undefined where nothing does. */
export function inside(box: Box, shape: number[]): Box | undefined {
  const cut = box.map(([first, last], i): Interval => [Math.max(0, first), Math.min(shape[i]! - 1, last)])
  return cut.every(([first, last]) => first <= last) ? cut : undefined
}

export const replaced = (box: Box, axis: number, interval: Interval): Box => box.map((old, i) => (i === axis ? interval : old))

/**
 * The part of a value that a part of it in another shape is: the same elements in the same order. Dimensions are taken apart and joined
 * in groups of equal size; where a part of a group is no interval there, the smallest that holds it.
 */
export function regroup(box: Box, from: number[], to: number[]): Box {
  return groupsOf(from, to).flatMap(group => {
    const sizes = group.to.map(i => to[i]!)
    const strides = stridesOf(group.from.map(i => from[i]!))
    const end = (side: 0 | 1) => group.from.reduce((sum, i, k) => sum + box[i]![side] * strides[k]!, 0)
    return apart([end(0), end(1)], sizes)
  })
}

/** An interval of joined dimensions, for each of them. */
function apart([first, last]: Interval, sizes: number[]): Interval[] {
  const [, ...rest] = sizes
  if (sizes.length === 0) return []
  const inner = product(rest)
  const outer: Interval = [Math.floor(first / inner), Math.floor(last / inner)]
  return [outer, ...(outer[0] === outer[1] ? apart([first % inner, last % inner], rest) : rest.map(all))]
}

/** The dimensions of two shapes of one size in groups that hold as many elements on both sides. */
function groupsOf(from: number[], to: number[]): { from: number[]; to: number[] }[] {
  const groups: { from: number[]; to: number[] }[] = []
  let [i, j] = [0, 0]
  while (i < from.length || j < to.length) {
    const group = { from: [] as number[], to: [] as number[] }
    let [left, right] = [1, 1]
    do {
      if (i < from.length && (left <= right || j >= to.length)) {
        left *= from[i]!
        group.from.push(i++)
      } else {
        right *= to[j]!
        group.to.push(j++)
      }
    } while (left !== right)
    groups.push(group)
  }
  return groups
}

/** Where each element of a permuted value stands in the value before, both flat. */
export function permutedPlaces(dims: number[], order: number[]): number[] {
  const strides = stridesOf(dims)
  return order.reduce((places, axis) => places.flatMap(place => range(dims[axis]!).map(i => place + i * strides[axis]!)), [0])
}

export function stridesOf(dims: number[]): number[] {
  return dims.map((_, i) => product(dims.slice(i + 1)))
}

export const product = (sizes: readonly number[]): number => sizes.reduce((all, size) => all * size, 1)

export const range = (length: number): number[] => Array.from({ length }, (_, i) => i)
