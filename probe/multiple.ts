import type { Size } from './layout.js'

/** Multiples of which the sides of a picture may have to be, from the least. */
const MULTIPLES = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 48, 56, 64, 128]

/** Pictures below could be too small for a network's borders. */
const LEAST_SIDE = 48

/**
 * The least number of which the sides must be multiples, or undefined where no size that was tried will do.
 * @param works whether a picture of this size is enlarged as it should be
 */
export async function leastMultiple(works: (size: Size) => boolean | Promise<boolean>): Promise<number | undefined> {
  for (const multiple of MULTIPLES) {
    // Prime factors, so that the sides are multiples of nothing else that is asked for.
    const [p, q] = twoPrimes(Math.ceil(LEAST_SIDE / multiple))
    if (await works({ height: multiple * p, width: multiple * q })) return multiple
  }
  return undefined
}

/** The first two odd primes from `least` on. */
function twoPrimes(least: number): [number, number] {
  const primes = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61]
  const i = primes.findIndex(prime => prime >= least)
  return [primes[i]!, primes[i + 1] ?? 67]
}
