import type { Tally } from './tally.js'

/** What every part is given. */
export interface Setting {
  seed: number
  /** Milliseconds that the part's loop runs, about. */
  milliseconds: number
  /** Requests that a part measures at least, where it is about them, however long that takes. */
  requests: number
  /** For its files; removed at the end unless something broke. */
  folder: string
}

export type Part = (setting: Setting, tally: Tally) => Promise<void>

/** Does `work` again and again until `end` (performance.now()), and `least` times at least, so many lines side by side. */
export async function until(end: number, lines: number, work: () => Promise<void>, least = 0): Promise<void> {
  let begun = 0
  const line = async () => {
    while (begun++ < least || performance.now() < end) await work()
  }
  await Promise.all(Array.from({ length: lines }, line))
}

export const between = (next: () => number, low: number, high: number): number => low + (high - low) * next()

export const pick = <T>(next: () => number, from: readonly T[]): T => from[Math.floor(next() * from.length)]!
