import type { Image } from '../image/image.js'

/**
 * A drawn RGB picture with the statistics that matter of natural ones: discs of all sizes (density ∝ 1/r³)
 * that cover each other, as things do, each with its own colour, shading and grain. Edges of every contrast
 * and scale follow. Lee, Mumford, Huang, "Occlusion Models for Natural Images" (2001). The same arguments
 * draw the same picture.
 */
export function drawLeaves(width: number, height: number, seed: number): Image {
  const next = randomNumbers(seed)
  // Drawn twice as large and averaged, so that edges are as soft as a lens and a sensor leave them.
  const [w, h] = [2 * width, 2 * height]
  const large = new Float32Array(w * h * 3)
  const covered = new Uint8Array(w * h)
  let left = w * h
  // Front to back: a pixel belongs to the first leaf that covers it.
  while (left > 0) {
    const leaf = { x: next() * w, y: next() * h, r: radius(next(), Math.max(w, h) / 3) }
    const colour = [next(), next(), next()]
    const shade = [(next() - 0.5) / leaf.r / 3, (next() - 0.5) / leaf.r / 3] as const
    const grain = 0.15 * next() ** 2
    for (let y = Math.max(0, Math.ceil(leaf.y - leaf.r)); y < Math.min(h, leaf.y + leaf.r); y++) {
      for (let x = Math.max(0, Math.ceil(leaf.x - leaf.r)); x < Math.min(w, leaf.x + leaf.r); x++) {
        const p = y * w + x
        if (covered[p] || (x - leaf.x) ** 2 + (y - leaf.y) ** 2 > leaf.r ** 2) continue
        covered[p] = 1
        left--
        const light = shade[0] * (x - leaf.x) + shade[1] * (y - leaf.y) + grain * (next() - 0.5)
        for (let c = 0; c < 3; c++) large[p * 3 + c] = colour[c]! + light
      }
    }
  }
  return halved(large, width, height)
}

/** Radii from 2 pixels up to `largest`, density ∝ 1/r³: the inverse of its distribution function. */
function radius(uniform: number, largest: number): number {
  const [near, far] = [1 / 2 ** 2, 1 / largest ** 2]
  return 1 / Math.sqrt(near - uniform * (near - far))
}

function halved(large: Float32Array, width: number, height: number): Image {
  const row = width * 6
  const data = new Uint8Array(width * height * 3)
  for (let i = 0; i < data.length; i++) {
    const y = Math.floor(i / (width * 3))
    const x = Math.floor((i % (width * 3)) / 3)
    const from = 2 * y * row + 6 * x + (i % 3)
    const mean = (large[from]! + large[from + 3]! + large[from + row]! + large[from + row + 3]!) / 4
    data[i] = Math.round(255 * Math.min(1, Math.max(0, mean)))
  }
  return { data, width, height, channels: 3 }
}

/** Mulberry32: from 0 to 1, the same for the same seed. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
