import { crop, HALO_LIMIT, toPlanes } from './halo.js'
import type { Size } from './layout.js'
import { drawLeaves } from './picture.js'
import type { Planes, Session } from './session.js'

const PICTURES = 4

/**
 * The overlap for a network that takes windows of one size only: the smallest with which two windows that overlap by three quarters
 * agree within 1/255 wherever both are so far from their edges; at most a quarter of a side, and the difference that it leaves.
 */
export async function seamHalo(
  through: Pick<Session, 'run'>,
  scale: number,
  { width, height }: Size,
): Promise<{ halo: number; haloError: number }> {
  const [dx, dy] = [Math.floor(width / 4), Math.floor(height / 4)]
  const most = Math.min(dx, dy)
  /** Largest difference at each distance from the nearest edge; the last is for all beyond. */
  const errors = new Float64Array(most + 1)
  for (let seed = 41; seed < 41 + PICTURES; seed++) {
    const picture = drawLeaves(width + dx, height + dy, seed)
    const first = await through.run(toPlanes(crop(picture, { left: 0, top: 0, width, height })))
    const second = await through.run(toPlanes(crop(picture, { left: dx, top: dy, width, height })))
    addDifferences(errors, first, second, dx, dy, scale)
  }
  for (let d = most - 1; d >= 0; d--) errors[d] = Math.max(errors[d]!, errors[d + 1]!)
  const enough = errors.findIndex(error => error <= HALO_LIMIT)
  const halo = enough === -1 ? most : enough
  return { halo, haloError: errors[halo]! }
}

/** @param b the answer for a window that lies (dx, dy) input pixels to the right of and below that of `a` */
function addDifferences(errors: Float64Array, a: Planes, b: Planes, dx: number, dy: number, scale: number): void {
  const [, channels, height, width] = a.dims as [number, number, number, number]
  const bounded = (value: number) => Math.min(1, Math.max(0, value))
  for (let y = dy * scale; y < height; y++) {
    for (let x = dx * scale; x < width; x++) {
      const nearest = Math.min(x - dx * scale, y - dy * scale, width - 1 - x, height - 1 - y)
      const distance = Math.min(errors.length - 1, Math.floor(nearest / scale))
      for (let c = 0; c < channels; c++) {
        const [i, j] = [(c * height + y) * width + x, (c * height + y - dy * scale) * width + x - dx * scale]
        errors[distance] = Math.max(errors[distance]!, Math.abs(bounded(a.data[i]!) - bounded(b.data[j]!)))
      }
    }
  }
}
