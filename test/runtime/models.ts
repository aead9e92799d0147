import { type Image, type Pixels, sameType } from '../../image/image.js'
import type { UpscaleCard } from '../../models/card.js'
import type { Infer } from '../../runtime/infer.js'

/** A valid card for tests, with what a test is about put over it. */
export function cardWith(over: Partial<UpscaleCard> = {}): UpscaleCard {
  const port = { channels: 3, order: 'RGB', layout: 'NCHW', type: 'float32', range: [0, 1] } as const
  return {
    cardVersion: 1,
    task: 'upscale',
    id: 'synthetic-x2',
    title: 'Synthetic',
    purpose: 'Tests.',
    scale: 2,
    model: {
      file: 'model.onnx',
      sha256: '0'.repeat(64),
      bytes: 1,
      input: { ...port, name: 'input', range: [0, 1] },
      output: { ...port, name: 'output', range: [0, 1] },
    },
    sizeMultiple: 1,
    fixedSize: null,
    receptiveField: 2,
    halo: 2,
    haloError: 0,
    variants: {},
    parameters: 0,
    flopsPerPixel: 0,
    training: { preset: 'none', overrides: {}, steps: 0, seed: 0, engine: 'none', data: [], featureLoss: null },
    scores: [],
    parity: { maxDifference: 0, against: 'nothing', sizes: [] },
    licence: 'MIT',
    ...over,
  }
}

/** A model that repeats each pixel. */
export const nearest =
  (scale: number) =>
  async <S extends Pixels>(window: Image<S>): Promise<Image<S>> =>
    enlargeBy(scale, window, (data, i) => data[i]!)

/**
 * A real convolutional model in whole numbers: two zero-padded 3×3 convolutions that mix the channels, wrapped to bytes after
 * each (so that every bit of every input counts), then each output pixel of a block adds its own place in the block.
 * Receptive field 2.
 */
export const convolution =
  (scale: number): Infer =>
  async window =>
    enlargeBy(scale, convolve(convolve(window, 3), 7), (data, i, place) => (data[i]! + 17 * place) & 255)

/** A model that works on blocks of m×m pixels from its own upper left corner: shifted by less than a block it answers otherwise. */
export const blockwise =
  (scale: number, m: number): Infer =>
  async window => {
    const { width, data } = window
    const columns = Math.ceil(width / m)
    const sums = new Int32Array(columns * Math.ceil(window.height / m) * 3)
    const blockOf = (i: number) => {
      const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)]
      return { index: (Math.floor(y / m) * columns + Math.floor(x / m)) * 3 + (i % 3), weight: 1 + (x % m) + 2 * (y % m) }
    }
    for (let i = 0; i < data.length; i++) sums[blockOf(i).index]! += data[i]! * blockOf(i).weight
    return enlargeBy(scale, { ...window, data: data.map((_, i) => sums[blockOf(i).index]!) }, (mixed, i) => mixed[i]!)
  }

function convolve(image: Image, seed: number): Image {
  const { width, height, data } = image
  const out = new Uint8Array(data.length)
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++, o++) {
        let sum = seed
        for (let dy = -1; dy <= 1; dy++) {
          for (let dx = -1; dx <= 1; dx++) {
            if (x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height) continue
            const i = ((y + dy) * width + x + dx) * 3
            for (let k = 0; k < 3; k++) sum += data[i + k]! * (seed + 2 * k + 3 * c + 5 * dx + 11 * dy)
          }
        }
        out[o] = sum & 255
      }
    }
  }
  return { ...image, data: out }
}

function enlargeBy<S extends Pixels>(scale: number, image: Image<S>, value: (data: S, index: number, place: number) => number): Image<S> {
  const width = image.width * scale
  const height = image.height * scale
  const data = sameType(image.data, width * height * 3)
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = (Math.floor(y / scale) * image.width + Math.floor(x / scale)) * 3
      for (let c = 0; c < 3; c++) data[o++] = value(image.data, i + c, (y % scale) * scale + (x % scale))
    }
  }
  return { data, width, height, channels: 3 }
}
