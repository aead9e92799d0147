/** One round of each side, as rates: the higher the better. */
export interface Pair {
  ours: number
  peer: number
}

export interface Comparison extends Pair {
  /** Median over the pairs of ours / peer; 1 = as fast. */
  ratio: number
  /** The worst and the best pair. */
  lowest: number
  highest: number
  pairs: number
}

/** Medians of the rates, and of the ratio within each pair: what slows the machine for a while slows both sides of a pair. */
export function compare(pairs: readonly Pair[]): Comparison {
  const ratios = pairs.map(({ ours, peer }) => ours / peer)
  return {
    ours: median(pairs.map(pair => pair.ours)),
    peer: median(pairs.map(pair => pair.peer)),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    pairs: pairs.length,
  }
}

/** The middle value; between the two middle ones where their number is even. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The smallest value that at least `share` (0..1) of the values do not exceed: p99 is `percentile(values, 0.99)`. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
}

/** Runs both sides in turn, A B, B A, A B …, so that neither always comes first. Each answers with its rate. */
export async function inTurn(rounds: number, ours: () => Promise<number>, peer: () => Promise<number>): Promise<Pair[]> {
  const pairs: Pair[] = []
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const first = await ours()
      pairs.push({ ours: first, peer: await peer() })
    } else {
      const first = await peer()
      pairs.push({ ours: await ours(), peer: first })
    }
  }
  return pairs
}
