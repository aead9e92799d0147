import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { drawLeaves } from './picture.js'
import type { Planes, Session } from './session.js'

/** What a viewer of 8-bit pictures cannot see. */
const HALO_LIMIT = 1 / 255
/** The same sums in another order, where the window's size makes ONNX Runtime block them otherwise. */
const ROUNDING = 1e-5
/** Small cores: many window edges per picture, and every core pixel near one. */
const CORE = 24
const PICTURES = 8
const CORES_PER_PICTURE = 6
/** About ten minutes on two cores: a network whose windows are large and dear is measured on fewer of them. */
const OPERATIONS = 1e14
/** Runs of the largest window's size that one core costs: the whole picture, that window, and the smaller ones of the search. */
const RUNS_PER_CORE = 2.5

/**
 * The smallest overlap of tiles with which no output value differs from the whole run by more than 1/255,
 * measured on drawn pictures with natural statistics, and the difference it leaves.
 *
 *     whole ┌────────────────────┐
 *           │   ┌─ window ─┐     │   the window's edge sees zeros where the whole run
 *           │   │ ┌core┐   │     │   sees the picture; the halo keeps that error away
 *           │   │ └────┘←h→│     │   from the core
 *           │   └──────────┘     │
 *           └────────────────────┘
 *
 * @throws UprezError `parity-failed` when even the receptive field is not enough: then it is stated too small
 */
export async function measureHalo(
  session: Session,
  about: { scale: number; sizeMultiple: number; receptiveField: number; flopsPerPixel: number },
): Promise<{ halo: number; haloError: number }> {
  const { sizeMultiple: step, receptiveField } = about
  const most = Math.ceil(receptiveField / step)
  const core = Math.ceil(CORE / step) * step
  const error = await errorByHalo(session, about, core, most * step)

  const atMost = await error(most * step)
  if (!(atMost <= ROUNDING)) {
    const message = `the network looks further than its stated receptive field of ${receptiveField} pixels: tiles with that overlap differ by ${atMost}`
    throw new UprezError('parity-failed', message, { param: 'receptiveField', expected: `at most ${ROUNDING}`, got: String(atMost) })
  }
  // The error falls with the overlap: halve the span between what is too little and what is enough.
  let [short, enough, haloError] = [-1, most, atMost]
  while (enough - short > 1) {
    const middle = (short + enough) >> 1
    const next = await error(middle * step)
    if (next <= HALO_LIMIT) [enough, haloError] = [middle, next]
    else short = middle
  }
  return { halo: enough * step, haloError }
}

/** Runs the pictures whole once; the function returned measures tiled against them with a given halo. */
async function errorByHalo(session: Session, about: Parameters<typeof measureHalo>[1], core: number, largest: number) {
  const { scale, sizeMultiple: step, flopsPerPixel } = about
  const side = core + 2 * largest + step * 8
  const affordable = Math.floor(OPERATIONS / (RUNS_PER_CORE * flopsPerPixel * side ** 2))
  const count = Math.min(PICTURES * CORES_PER_PICTURE, Math.max(1, affordable))
  const pictures: { image: Image; whole: Planes; cores: { x: number; y: number }[] }[] = []
  for (let seed = 1; seed <= Math.ceil(count / CORES_PER_PICTURE); seed++) {
    const image = drawLeaves(side, side, seed)
    // Spread over the places where even the largest window lies inside.
    const places = Array.from({ length: Math.min(CORES_PER_PICTURE, count) }, (_, i) => ({
      x: largest + step * ((i * 3) % 9),
      y: largest + step * ((i * 5) % 9),
    }))
    pictures.push({ image, whole: await session.run(toPlanes(image)), cores: places })
  }
  return async (halo: number) => {
    let error = 0
    for (const { image, whole, cores } of pictures) {
      for (const { x, y } of cores) {
        const window = crop(image, x - halo, y - halo, core + 2 * halo)
        const tile = await session.run(toPlanes(window))
        error = Math.max(error, coreDifference(tile, halo * scale, halo * scale, whole, x * scale, y * scale, core * scale))
      }
    }
    return error
  }
}

/** Largest difference of the squares of `size` at (ax, ay) in a and (bx, by) in b, both bounded to [0,1] as pictures are. */
function coreDifference(a: Planes, ax: number, ay: number, b: Planes, bx: number, by: number, size: number): number {
  const at = ({ data, dims }: Planes, c: number, y: number, x: number) => Math.min(1, Math.max(0, data[(c * dims[2]! + y) * dims[3]! + x]!))
  let largest = 0
  for (let c = 0; c < a.dims[1]!; c++) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) largest = Math.max(largest, Math.abs(at(a, c, ay + y, ax + x) - at(b, c, by + y, bx + x)))
    }
  }
  return largest
}

function crop(image: Image, left: number, top: number, size: number): Image {
  const data = new Uint8Array(size * size * 3)
  for (let y = 0; y < size; y++) {
    const from = ((top + y) * image.width + left) * 3
    data.set(image.data.subarray(from, from + size * 3), y * size * 3)
  }
  return { data, width: size, height: size, channels: 3 }
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
