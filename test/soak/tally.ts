import { median, percentile } from '../../bench/statistics.js'

/** What a part has seen; `broken` decides the verdict. */
export interface Tally {
  name: string
  counts: Map<string, number>
  /** Milliseconds from sending a request to the last byte of its picture. */
  latencies: number[]
  memory: MemorySample[]
  facts: string[]
  broken: string[]
  count(what: string): void
  fact(line: string): void
  /** An invariant that does not hold. */
  broke(line: string): void
}

/** Bytes resident after so many answers; undefined where the process was just not there. */
export interface MemorySample {
  answers: number
  parent: number | undefined
  child: number | undefined
}

export function startTally(name: string): Tally {
  const tally: Tally = {
    name,
    counts: new Map(),
    latencies: [],
    memory: [],
    facts: [],
    broken: [],
    count: what => void tally.counts.set(what, (tally.counts.get(what) ?? 0) + 1),
    fact: line => void tally.facts.push(line),
    broke: line => void tally.broken.push(line),
  }
  return tally
}

/** Medians in bytes of the first, middle and last third; undefined where there are too few samples to say. */
export function thirds(values: readonly (number | undefined)[]): [number, number, number] | undefined {
  const known = values.filter(value => value !== undefined)
  if (known.length < 9) return undefined
  const part = (i: number) => median(known.slice(Math.floor((i * known.length) / 3), Math.floor(((i + 1) * known.length) / 3)))
  return [part(0), part(1), part(2)]
}

/** Bytes that each answer adds, by least squares; undefined where there is too little to say. */
export function slope(memory: readonly MemorySample[], who: 'parent' | 'child'): number | undefined {
  const known = memory.flatMap(sample => (sample[who] === undefined ? [] : [[sample.answers, sample[who]] as const]))
  const mean = (of: 0 | 1) => known.reduce((sum, point) => sum + point[of], 0) / known.length
  const [x, y] = [mean(0), mean(1)]
  const spread = known.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  return known.length < 9 || spread === 0 ? undefined : known.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / spread
}

const SHOWN = 12

/** The tally as people read it. */
export function summary(tally: Tally): string {
  const { name, counts, latencies, memory, facts, broken } = tally
  const lines = [...counts].sort(([a], [b]) => a.localeCompare(b)).map(([what, count]) => `${String(count).padStart(7)}  ${what}`)
  if (latencies.length > 0) {
    const [p50, p99] = [0.5, 0.99].map(share => `${percentile(latencies, share).toFixed(0)} ms`)
    lines.push(`         latency p50 ${p50}, p99 ${p99}`)
  }
  for (const who of ['parent', 'child'] as const) {
    const levels = thirds(memory.map(sample => sample[who]))
    const what = who === 'parent' ? 'server' : 'engine child'
    if (levels) lines.push(`         memory of the ${what}: ${levels.map(inMiB).join(' → ')} MiB (medians of the thirds)`)
  }
  lines.push(...facts.map(fact => `         ${fact}`))
  lines.push(...broken.slice(0, SHOWN).map(line => `  BROKEN ${line}`))
  if (broken.length > SHOWN) lines.push(`  BROKEN and ${broken.length - SHOWN} times more`)
  return [`${name}: ${broken.length === 0 ? 'all right' : 'NOT all right'}`, ...lines, ''].join('\n')
}

const inMiB = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)
