import type { Image } from '../../image/image.js'

/** Pictures drawn by code for everybody's tests. The same arguments give the same bytes on every machine. */

/** Seeded random numbers in [0, 1). */
export function random(seed: number): () => number {
  let state = (seed * 0x9e3779b9) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** RGB with a photograph's statistics: a lit ground with 1/f texture, and textured shapes with sharp edges before it. */
export function drawPhoto(width: number, height: number, seed = 1): Image {
  const next = random(seed)
  const texture = cloud(width, height, next)
  const fine = cloud(width, height, next, 16)
  const shapes = Array.from({ length: 12 }, () => randomShape(width, height, next))
  const [near, far] = [randomColour(next), randomColour(next)]
  const data = new Uint8Array(width * height * 3)
  const pixel = [0, 0, 0]
  for (let y = 0, p = 0; y < height; y++) {
    for (let x = 0; x < width; x++, p++) {
      const depth = y / height + 0.3 * texture[p]!
      for (let c = 0; c < 3; c++) pixel[c] = far[c]! + (near[c]! - far[c]!) * depth + 40 * texture[p]!
      for (const shape of shapes) {
        const cover = coverage(shape, x + 0.5, y + 0.5)
        if (cover === 0) continue
        const light = 60 * shape.grain * fine[p]! + 25 * Math.sin(shape.stripes * (x * shape.cos + y * shape.sin))
        for (let c = 0; c < 3; c++) pixel[c]! += (shape.colour[c]! + light - pixel[c]!) * cover
      }
      for (let c = 0; c < 3; c++) data[p * 3 + c] = toByte(pixel[c]!)
    }
  }
  return { data, width, height, channels: 3 }
}

/** One channel: the green of `drawPhoto`. */
export function drawGrey(width: number, height: number, seed = 1): Image {
  const photo = drawPhoto(width, height, seed)
  return { data: Uint8Array.from({ length: width * height }, (_, p) => photo.data[p * 3 + 1]!), width, height, channels: 1 }
}

/** RGBA: `drawPhoto` seen through a disc with a soft rim; the colour of wholly transparent pixels is a loud magenta. */
export function drawAlpha(width: number, height: number, seed = 1): Image {
  const photo = drawPhoto(width, height, seed)
  const radius = 0.4 * Math.min(width, height)
  const data = new Uint8Array(width * height * 4)
  for (let y = 0, p = 0; y < height; y++) {
    for (let x = 0; x < width; x++, p++) {
      const alpha = toByte((255 * (radius - Math.hypot(x + 0.5 - width / 2, y + 0.5 - height / 2))) / 3 + 128)
      data.set(alpha === 0 ? [255, 0, 255] : photo.data.subarray(p * 3, p * 3 + 3), p * 4)
      data[p * 4 + 3] = alpha
    }
  }
  return { data, width, height, channels: 4 }
}

/** RGB: red grows to the right, green downwards, blue falls along the diagonal. */
export function drawGradient(width: number, height: number): Image {
  return fill(width, height, 3, (x, y) => [
    (255 * x) / Math.max(1, width - 1),
    (255 * y) / Math.max(1, height - 1),
    255 - (255 * (x + y)) / (width + height),
  ])
}

/** Independent uniform noise in every sample: no smoothness for a bug to hide in. */
export function drawNoise(width: number, height: number, channels = 3, seed = 1): Image {
  const next = random(seed)
  return { data: Uint8Array.from({ length: width * height * channels }, () => next() * 256), width, height, channels }
}

/** With 16 bits: the same picture, and noise in the bits that 8 cannot hold. */
export function deepen({ data, width, height, channels }: Image, seed = 1): Image<Uint16Array> {
  const next = random(seed)
  return { data: Uint16Array.from(data, value => value * 256 + next() * 256), width, height, channels }
}

/** One colour everywhere; as many channels as the colour has values. */
export function drawFlat(width: number, height: number, colour: number[]): Image {
  return fill(width, height, colour.length, () => colour)
}

/** Any picture from a function of the pixel. */
export function fill(width: number, height: number, channels: number, colour: (x: number, y: number) => number[]): Image {
  const data = new Uint8Array(width * height * channels)
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += channels) data.set(colour(x, y).map(toByte), i)
  }
  return { data, width, height, channels }
}

interface Shape {
  kind: 'ellipse' | 'box'
  x: number
  y: number
  wide: number
  high: number
  cos: number
  sin: number
  colour: number[]
  grain: number
  stripes: number
}

function randomShape(width: number, height: number, next: () => number): Shape {
  const angle = next() * Math.PI
  const size = Math.min(width, height)
  return {
    kind: next() < 0.5 ? 'ellipse' : 'box',
    x: next() * width,
    y: next() * height,
    wide: size * (0.04 + 0.25 * next() * next()),
    high: size * (0.02 + 0.2 * next() * next()),
    cos: Math.cos(angle),
    sin: Math.sin(angle),
    colour: randomColour(next),
    grain: next(),
    stripes: next() < 0.4 ? 0.2 + next() : 0,
  }
}

// How much of the pixel around (x, y) the shape covers: 1 inside, 0 outside, a ramp one pixel wide at the edge.
function coverage(shape: Shape, x: number, y: number): number {
  const u = Math.abs((x - shape.x) * shape.cos + (y - shape.y) * shape.sin)
  const v = Math.abs((y - shape.y) * shape.cos - (x - shape.x) * shape.sin)
  const inside =
    shape.kind === 'box'
      ? Math.min(shape.wide - u, shape.high - v)
      : (1 - Math.hypot(u / shape.wide, v / shape.high)) * Math.min(shape.wide, shape.high)
  return Math.min(1, Math.max(0, inside + 0.5))
}

// Noise about 0 (roughly −1..1) whose detail weakens with its frequency: octaves of smoothly interpolated lattices.
function cloud(width: number, height: number, next: () => number, largest = Math.max(width, height)): Float64Array {
  const sum = new Float64Array(width * height)
  for (let cell = largest; cell >= 1.5; cell /= 2) {
    const columns = Math.ceil(width / cell) + 2
    const lattice = Float64Array.from({ length: columns * (Math.ceil(height / cell) + 2) }, () => next() - 0.5)
    const weight = (cell / largest) ** 0.6
    for (let y = 0, p = 0; y < height; y++) {
      const [j, fy] = smoothStep(y / cell)
      for (let x = 0; x < width; x++, p++) {
        const [i, fx] = smoothStep(x / cell)
        const at = j * columns + i
        const top = lattice[at]! + (lattice[at + 1]! - lattice[at]!) * fx
        const bottom = lattice[at + columns]! + (lattice[at + columns + 1]! - lattice[at + columns]!) * fx
        sum[p]! += weight * (top + (bottom - top) * fy)
      }
    }
  }
  return sum
}

function smoothStep(position: number): [cell: number, fraction: number] {
  const cell = Math.floor(position)
  const f = position - cell
  return [cell, f * f * (3 - 2 * f)]
}

const randomColour = (next: () => number) => [0, 1, 2].map(() => 20 + 215 * next())

const toByte = (value: number) => Math.min(255, Math.max(0, Math.round(value)))
