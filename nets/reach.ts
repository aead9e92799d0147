/**
 * Which input pixels the positions of a feature map depend on, along one axis. Positions repeat: one period of them, moved by
 * `step` input pixels, is the next.
 */
export interface Reach {
  /** The first input pixel that each position of the period depends on. */
  first: number[]
  /** The last one. */
  last: number[]
  /** Input pixels per period. */
  step: number
}

/** A picture's own pixels. */
export const PIXELS: Reach = { first: [0], last: [0], step: 1 }

/**
 * The map whose position o is made of the positions `from(o)` of another.
 * @param positions of the answer to one period of the other: [answer's, other's]; 2 and 1 for an enlargement by 2, 1 and 2 for a stride of 2
 */
export function reachThrough(reach: Reach, [to, of]: [number, number], from: (o: number) => number[]): Reach {
  // As many periods of the other as make a whole number of the answer's.
  const periods = of / gcd(of, reach.first.length)
  const count = (reach.first.length * periods * to) / of
  const sources = Array.from({ length: count }, (_, o) => from(o).map(i => at(reach, i)))
  return {
    first: sources.map(source => Math.min(...source.map(([first]) => first))),
    last: sources.map(source => Math.max(...source.map(([, last]) => last))),
    step: reach.step * periods,
  }
}

/** A map made of several, position by position. */
export function reachOfAll(reaches: Reach[]): Reach {
  const step = reaches.map(reach => reach.step).reduce((a, b) => (a * b) / gcd(a, b))
  const count = (reaches[0]!.first.length * step) / reaches[0]!.step
  const sources = Array.from({ length: count }, (_, o) => reaches.map(reach => at(reach, o)))
  return {
    first: sources.map(source => Math.min(...source.map(([first]) => first))),
    last: sources.map(source => Math.max(...source.map(([, last]) => last))),
    step,
  }
}

/** A map's positions per input pixel. */
export function density(axes: Reach[]): number {
  return axes.reduce((product, { first, step }) => (product * first.length) / step, 1)
}

/** A picture's side must be a multiple of this for the map's side to be a whole multiple of `stride`. */
export function multipleFor({ first, step }: Reach, stride: number): number {
  const shared = gcd(first.length, step)
  return ((step / shared) * stride) / gcd(first.length / shared, stride)
}

/** How far the pixels that a position depends on lie from the pixel at its own place. */
export function radius({ first, last, step }: Reach): number {
  const own = first.map((_, o) => Math.floor((o * step) / first.length))
  return Math.max(0, ...own.flatMap((pixel, o) => [pixel - first[o]!, last[o]! - pixel]))
}

export function lcm(a: number, b: number): number {
  return (a * b) / gcd(a, b)
}

function at({ first, last, step }: Reach, position: number): [number, number] {
  const period = Math.floor(position / first.length)
  const o = position - period * first.length
  return [first[o]! + period * step, last[o]! + period * step]
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b)
}
