import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { drawLeaves } from './picture.js'
import type { Planes, Session } from './session.js'

/** What a viewer of 8-bit pictures cannot see, and what float32 makes of that step. */
export const HALO_LIMIT = 1 / 255 + 1e-7
/** The same sums in another order, where the window's size makes ONNX Runtime block them otherwise. */
const ROUNDING = 1e-5
/** Side of what is left of a window between the overlaps looked at. */
const CORE = 24
/** Overlap to look at first: it is doubled as long as it is too little. */
const FIRST_REACH = 16
/** Height of the strips on which the receptive field is proven. */
const STRIP = 4
const PICTURES = 8
/** About a second on two cores: a network that is dear is measured on fewer pictures. */
const OPERATIONS = 2e11

interface Measurable {
  scale: number
  sizeMultiple: number
  receptiveField: number
  flopsPerPixel: number
  /** The network takes no smaller pictures; default: it takes any. */
  leastSide?: number
  /** What tiles may differ by although they hold all that a pixel looks at; default what float32 rounds away. */
  rounding?: number
}

/**
 * The smallest overlap of tiles with which no output value differs from the whole run by more than 1/255,
 * measured on drawn pictures with natural statistics, and the difference it leaves.
 *
 *     whole ┌────────────────────┐
 *           │   ┌─ window ─┐     │   the window's edge sees zeros where the whole run
 *           │   │ ┌    ┐   │     │   sees the picture: how large that error is by the
 *           │   │ └    ┘←h→│     │   distance from the edge tells of every overlap at once
 *           │   └──────────┘     │
 *           └────────────────────┘
 *
 * @throws UprezError `parity-failed` when even the receptive field is not enough: then it is stated too small
 */
export async function measureHalo(session: Pick<Session, 'run'>, about: Measurable): Promise<{ halo: number; haloError: number }> {
  const { sizeMultiple: step, receptiveField, rounding = ROUNDING } = about
  const most = roundUp(receptiveField, step)
  const atMost = await errorOnStrips(session, about, most)
  if (!(atMost <= rounding)) {
    const message = `the network looks further than its stated receptive field of ${receptiveField} pixels: tiles with that overlap differ by ${atMost}`
    throw new UprezError('parity-failed', message, { param: 'receptiveField', expected: `at most ${rounding}`, got: String(atMost) })
  }
  let reach = Math.min(roundUp(FIRST_REACH, step), most)
  for (;;) {
    const errors = await errorsInWindows(session, about, reach)
    const overlaps = Array.from({ length: reach / step + 1 }, (_, i) => i * step)
    const halo = overlaps.find(overlap => errors[overlap]! <= HALO_LIMIT)
    if (halo !== undefined) return { halo, haloError: errors[halo]! }
    if (reach === most) return { halo: most, haloError: atMost }
    reach = Math.min(2 * reach, most)
  }
}

/** The error behind an overlap on strips, along both axes: so far a picture as high as wide would cost too much to look. */
async function errorOnStrips(session: Pick<Session, 'run'>, about: Measurable, overlap: number): Promise<number> {
  const { sizeMultiple: step } = about
  const [thin, cut] = [STRIP, CORE].map(side => roundUp(Math.max(side, about.leastSide ?? 0), step)) as [number, number]
  const long = cut + overlap + cut
  const wide = drawLeaves(long, thin, 1)
  const high = drawLeaves(thin, long, 2)
  const errors = [
    await errorsByDistance(session, about, wide, [{ left: cut, top: 0, width: long - cut, height: thin }]),
    await errorsByDistance(session, about, high, [{ left: 0, top: cut, width: thin, height: long - cut }]),
  ]
  return Math.max(...errors.map(byDistance => byDistance[overlap]!))
}

/** The error behind every overlap up to `reach`, in windows that are cut out on all sides. */
async function errorsInWindows(session: Pick<Session, 'run'>, about: Measurable, reach: number): Promise<number[]> {
  const { sizeMultiple: step, flopsPerPixel, leastSide = 0 } = about
  const size = Math.max(2 * reach + roundUp(CORE, step), roundUp(leastSide, step))
  // As much of the picture again around them, so that there is something that they do not see.
  const near = roundUp(Math.max(reach, CORE) / 2, step)
  const places = [near, 3 * near]
  const side = size + 4 * near
  const windows = places.flatMap(left => places.map(top => ({ left, top, width: size, height: size })))
  const affordable = Math.floor(OPERATIONS / (flopsPerPixel * (side ** 2 + windows.length * size ** 2)))
  let errors: number[] = []
  for (let seed = 1; seed <= Math.min(PICTURES, Math.max(1, affordable)); seed++) {
    const next = await errorsByDistance(session, about, drawLeaves(side, side, seed), windows)
    errors = next.map((error, distance) => Math.max(error, errors[distance] ?? 0))
  }
  return errors
}

interface Window {
  left: number
  top: number
  width: number
  height: number
}

/**
 * Runs a picture whole and windows of it, and compares: by distance in input pixels, the largest difference that far from where a window
 * was cut off or further. Both are bounded to [0,1] as pictures are.
 */
async function errorsByDistance(session: Pick<Session, 'run'>, { scale }: Measurable, image: Image, windows: Window[]): Promise<number[]> {
  const whole = await session.run(toPlanes(image))
  const errors = new Array<number>(Math.max(image.width, image.height)).fill(0)
  for (const window of windows) {
    const tile = await session.run(toPlanes(crop(image, window)))
    const { left, top, width, height } = window
    const along = (at: number, start: number, size: number, end: number) =>
      Math.min(start > 0 ? at : end, start + size < end ? size - 1 - at : end)
    for (let c = 0; c < tile.dims[1]!; c++) {
      for (let y = 0; y < height * scale; y++) {
        const vertical = along(Math.floor(y / scale), top, height, image.height)
        for (let x = 0; x < width * scale; x++) {
          const distance = Math.min(vertical, along(Math.floor(x / scale), left, width, image.width))
          const difference = Math.abs(unitAt(tile, c, y, x) - unitAt(whole, c, top * scale + y, left * scale + x))
          // Not ">": a NaN must not be lost.
          if (!(difference <= errors[distance]!)) errors[distance] = difference
        }
      }
    }
  }
  for (let distance = errors.length - 2; distance >= 0; distance--) errors[distance] = Math.max(errors[distance]!, errors[distance + 1]!)
  return errors
}

function unitAt({ data, dims }: Planes, c: number, y: number, x: number): number {
  return Math.min(1, Math.max(0, data[(c * dims[2]! + y) * dims[3]! + x]!))
}

function roundUp(length: number, step: number): number {
  return Math.ceil(length / step) * step
}

export function crop(image: Image, { left, top, width, height }: Window): Image {
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * 3
    data.set(image.data.subarray(from, from + width * 3), y * width * 3)
  }
  return { data, width, height, channels: 3 }
}

/** Bytes in rows of pixels to floats 0..1 in planes. */
export function toPlanes({ data, width, height, channels }: Image): Planes {
  const planes = new Float32Array(data.length)
  const size = width * height
  for (let p = 0; p < size; p++) {
    for (let c = 0; c < channels; c++) planes[c * size + p] = data[p * channels + c]! / 255
  }
  return { data: planes, dims: [1, channels, height, width] }
}
