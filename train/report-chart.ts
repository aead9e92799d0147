/** One curve as an inline picture. */
export interface Chart {
  points: readonly [x: number, y: number][]
  /** A thick line of the moving mean over a thin one of the values: for what jumps from step to step. */
  smooth: boolean
  /** Draw by size (logarithmically) what spans more than a decade and a half. */
  bySize: boolean
  /** A point to mark. */
  mark?: [x: number, y: number] | undefined
  /** For those who do not see it. */
  label: string
}

const [WIDTH, HEIGHT] = [360, 190]
const EDGE = { left: 50, right: 10, top: 10, bottom: 24 }
/** Points of a line beyond which neighbours are drawn as one. */
const MOST_POINTS = 400
const LOGARITHMIC = 30

/** SVG whose colours come from the classes grid, axis, raw, line, dot and mark of the page around it. */
export function drawChart({ points, smooth, bySize, mark, label }: Chart): string {
  const mean = smooth ? movingMean(points) : points
  const x = linear(points[0]![0], points.at(-1)![0], EDGE.left, WIDTH - EDGE.right)
  const y = valueAxis(
    points.map(([, value]) => value),
    bySize,
  )
  const path = (line: readonly [number, number][]) =>
    thinned(line)
      .map(([a, b], i) => `${i === 0 ? 'M' : 'L'}${x.at(a).toFixed(1)} ${y.at(b).toFixed(1)}`)
      .join('')
  const dots = points.length <= 40 && !smooth ? points : points.slice(-1)
  const dot = ([a, b]: readonly [number, number], kind: string, r: number) =>
    `<circle class="${kind}" cx="${x.at(a).toFixed(1)}" cy="${y.at(b).toFixed(1)}" r="${r}"/>`
  const lines = [
    ...y.ticks.map(tick => {
      const at = y.at(tick).toFixed(1)
      const text = `<text class="axis" x="${EDGE.left - 6}" y="${at}" text-anchor="end" dominant-baseline="middle">${short(tick)}</text>`
      return `<path class="grid" d="M${EDGE.left} ${at}H${WIDTH - EDGE.right}"/>${text}`
    }),
    ...x.ticks.map(tick => `<text class="axis" x="${x.at(tick).toFixed(1)}" y="${HEIGHT - 6}" text-anchor="middle">${steps(tick)}</text>`),
    ...(smooth ? [`<path class="raw" d="${path(points)}"/>`] : []),
    `<path class="line" d="${path(mean)}"/>`,
    ...(smooth ? [] : dots.map(point => dot(point, 'dot', 2.5))),
    ...(mark ? [dot(mark, 'mark', 5)] : []),
  ]
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">${lines.join('')}</svg>`
}

/** A number as short as it can be told from its neighbours. */
export function short(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size < 1e-3 || size >= 1e5) return value.toExponential(size < 1e-3 ? 1 : 2).replace(/\.?0*e\+?/, 'e')
  return String(Number(value.toPrecision(4)))
}

interface Axis {
  at(value: number): number
  ticks: number[]
}

function valueAxis(values: readonly number[], bySize: boolean): Axis {
  // A long run's curve has more values than a call can have arguments.
  const [least, most] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))]
  const [bottom, top] = [HEIGHT - EDGE.bottom, EDGE.top]
  if (bySize && least > 0 && most / least >= LOGARITHMIC) {
    const axis = linear(Math.log10(least), Math.log10(most), bottom, top)
    return { at: value => axis.at(Math.log10(value)), ticks: decades(least, most) }
  }
  const room = (most - least || Math.abs(most) || 1) * 0.06
  return linear(least - room, most + room, bottom, top)
}

/** Powers of ten, with their threefold where they are few. */
function decades(least: number, most: number): number[] {
  const [from, to] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))]
  const parts = to - from > 3 ? [1] : [1, 3]
  const all = Array.from({ length: to - from + 1 }, (_, i) => parts.map(part => part * 10 ** (from + i))).flat()
  return all.filter(tick => tick >= least && tick <= most)
}

function linear(least: number, most: number, from: number, to: number): Axis {
  const span = most - least || 1
  const rough = span / 5
  const power = 10 ** Math.floor(Math.log10(rough))
  const gap = power * [1, 2, 2.5, 5, 10].find(factor => factor * power >= rough)!
  const first = Math.ceil(least / gap)
  const count = Math.floor(most / gap) - first + 1
  return {
    at: value => from + ((value - least) / span) * (to - from),
    ticks: Array.from({ length: count }, (_, i) => Number(((first + i) * gap).toPrecision(12))),
  }
}

/** Of as many neighbours on either side as make a fiftieth of the curve. */
function movingMean(points: readonly [number, number][]): [number, number][] {
  const reach = Math.max(1, Math.round(points.length / 50))
  const sums = [0]
  for (const [, value] of points) sums.push(sums.at(-1)! + value)
  return points.map(([x], i) => {
    const [from, to] = [Math.max(0, i - reach), Math.min(points.length, i + reach + 1)]
    return [x, (sums[to]! - sums[from]!) / (to - from)]
  })
}

/** Where points are many: the least and the most of each bunch, in their order, so that no peak is lost. */
function thinned(points: readonly [number, number][]): readonly [number, number][] {
  if (points.length <= MOST_POINTS) return points
  const bunch = Math.ceil((2 * points.length) / MOST_POINTS)
  const kept: [number, number][] = []
  for (let i = 0; i < points.length; i += bunch) {
    const part = points.slice(i, i + bunch)
    const least = part.reduce((a, b) => (b[1] < a[1] ? b : a))
    const most = part.reduce((a, b) => (b[1] > a[1] ? b : a))
    kept.push(...(least[0] < most[0] ? [least, most] : least === most ? [least] : [most, least]))
  }
  return kept
}

const steps = (value: number): string => (value >= 1000 ? `${short(value / 1000)}k` : short(value))
