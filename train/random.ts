/**
 * Randomness as a pure function of where it is used: the generator for (seed, step, index) is always the same,
 * so nothing about randomness needs to be stored and a resumed run draws what the uninterrupted one would have.
 */
export function randomAt(seed: number, step: number, index: number): () => number {
  let state = mix(mix(mix(seed) ^ step) ^ index)
  return () => {
    // Weyl sequence through the 32-bit finaliser of MurmurHash3.
    state = (state + 0x9e3779b9) | 0
    return (mix(state) >>> 0) / 2 ** 32
  }
}

function mix(value: number): number {
  let x = value | 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) + 0x6d2b79f5
}

/** An integer in [0, below). */
export function integer(random: () => number, below: number): number {
  return Math.floor(random() * below)
}
