import type { UpscaleCard } from '../models/card.js'
import { toPlanes } from './halo.js'
import { drawLeaves } from './picture.js'
import type { Planes, Session } from './session.js'

/** Sides of the pictures in which a pixel is changed, where a larger one is needed to see how far that reaches. */
const SIDES = [96, 256]
/** A run may cost as many operations. */
const OPERATIONS = 2e12

/**
 * How far the change of a pixel reaches, in input pixels: at least so far does the network look. What is lost in rounding is not seen.
 * null: to the edge of the largest picture that was tried.
 */
export async function reachByChanges(
  through: Pick<Session, 'run'>,
  { scale, sizeMultiple: step, flopsPerPixel }: Pick<UpscaleCard, 'scale' | 'sizeMultiple' | 'flopsPerPixel'>,
): Promise<number | null> {
  for (const least of SIDES) {
    const side = Math.ceil(least / step) * step
    if (least !== SIDES[0] && flopsPerPixel * side ** 2 > OPERATIONS) return null
    const picture = toPlanes(drawLeaves(side, side, 31))
    const before = await through.run(picture)
    const middle = Math.floor(side / 2)
    const radii: number[] = []
    for (const off of [0, 1, step - 1]) {
      const place = middle + off
      radii.push(radiusOfChanges(before, await through.run(changed(picture, place, side)), place, scale))
    }
    const radius = Math.max(...radii)
    if (radius < side / 2 - step) return radius
  }
  return null
}

function changed({ data, dims }: Planes, place: number, side: number): Planes {
  const copy = data.slice()
  for (let c = 0; c < dims[1]!; c++) {
    const i = (c * side + place) * side + place
    copy[i] = copy[i]! < 0.5 ? 1 : 0
  }
  return { data: copy, dims }
}

function radiusOfChanges(a: Planes, b: Planes, place: number, scale: number): number {
  const [, channels, height, width] = a.dims as [number, number, number, number]
  let radius = 0
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const i = (c * height + y) * width + x
        if (a.data[i] !== b.data[i])
          radius = Math.max(radius, Math.abs(Math.floor(y / scale) - place), Math.abs(Math.floor(x / scale) - place))
      }
    }
  }
  return radius
}
