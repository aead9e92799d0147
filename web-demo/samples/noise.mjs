/** Seeded random numbers in [0, 1). */
export function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** Smooth noise in [0, 1] with four octaves. */
export function fbm(seed) {
  const next = random(seed)
  const grid = Float32Array.from({ length: 65536 }, next)
  const at = (x, y) => grid[((y & 255) << 8) | (x & 255)]
  const smooth = t => t * t * (3 - 2 * t)
  const value = (x, y) => {
    const [i, j] = [Math.floor(x), Math.floor(y)]
    const [u, v] = [smooth(x - i), smooth(y - j)]
    const top = at(i, j) + (at(i + 1, j) - at(i, j)) * u
    const bottom = at(i, j + 1) + (at(i + 1, j + 1) - at(i, j + 1)) * u
    return top + (bottom - top) * v
  }
  return (x, y) => {
    let [sum, weight, total] = [0, 0.5, 0]
    for (let octave = 0; octave < 4; octave++, weight /= 2) {
      sum += weight * value(x * 2 ** octave + octave * 17, y * 2 ** octave + octave * 31)
      total += weight
    }
    return sum / total
  }
}
