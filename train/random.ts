/**
 * Randomness as a pure function of where it is used: the generator for (seed, step, index) is always the same,
 * so nothing about randomness needs to be stored and a resumed run draws what the uninterrupted one would have.
 * @param place whole numbers that tell one use from another, for example step and index in the batch
 */
export function randomAt(seed: number, ...place: number[]): () => number {
  let state = place.reduce((mixed, part) => mix(mixed ^ part), mix(seed))
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

/** A number in [least, most]. */
export function uniform(random: () => number, [least, most]: readonly [number, number]): number {
  return least + (most - least) * random()
}

/** One of the names, as often as its weight beside the others'. */
export function pick<Name extends string>(random: () => number, weights: Readonly<Record<Name, number>>): Name {
  const names = Object.keys(weights) as Name[]
  let left = random() * names.reduce((sum, name) => sum + weights[name], 0)
  const chosen = names.find(name => {
    left -= weights[name]
    return left < 0
  })
  return chosen ?? names[0]!
}

/** Numbers of the standard normal distribution, by Marsaglia's polar method. */
export function normals(random: () => number): () => number {
  let spare = 0
  let hasSpare = false
  return () => {
    if (hasSpare) {
      hasSpare = false
      return spare
    }
    let u = 0
    let v = 0
    let square = 0
    do {
      u = 2 * random() - 1
      v = 2 * random() - 1
      square = u * u + v * v
    } while (square >= 1 || square === 0)
    const stretch = Math.sqrt((-2 * Math.log(square)) / square)
    spare = v * stretch
    hasSpare = true
    return u * stretch
  }
}
