import { type Image, type Pixels, sameType } from '../image/image.js'
import type { UpscaleCard } from '../models/card.js'

/**
 * Test-time augmentation: a window goes through the model once in each of its symmetries (turned and mirrored), each answer is
 * turned back, and their mean is the result. It costs as many runs as there are symmetries.
 */
export interface Symmetry {
  /** Columns become rows, before anything is mirrored. */
  exchanged: boolean
  /** Left and right change places. */
  mirrored: boolean
  /** Above and below change places. */
  upended: boolean
}

export const UNTURNED: Symmetry = { exchanged: false, mirrored: false, upended: false }

/** The eight symmetries of a square; four where the model takes windows of one size that is not square. */
export function symmetriesFor({ fixedSize }: Pick<UpscaleCard, 'fixedSize'>): Symmetry[] {
  const square = fixedSize === null || fixedSize.width === fixedSize.height
  return (square ? [false, true] : [false]).flatMap(exchanged =>
    [false, true].flatMap(mirrored => [false, true].map(upended => ({ exchanged, mirrored, upended }))),
  )
}

export function turn<S extends Pixels>(image: Image<S>, { exchanged, mirrored, upended }: Symmetry): Image<S> {
  if (!exchanged && !mirrored && !upended) return image
  const { data, channels } = image
  const [width, height] = exchanged ? [image.height, image.width] : [image.width, image.height]
  const right = (mirrored ? -1 : 1) * channels
  const down = (upended ? -1 : 1) * width * channels
  const [toNext, toNextRow] = exchanged ? [down, right] : [right, down]
  const start = ((upended ? (height - 1) * width : 0) + (mirrored ? width - 1 : 0)) * channels
  const out = sameType(data, data.length)
  for (let y = 0, i = 0; y < image.height; y++) {
    for (let x = 0, o = start + y * toNextRow; x < image.width; x++, o += toNext) {
      for (let c = 0; c < channels; c++) out[o + c] = data[i++]!
    }
  }
  return { data: out, width, height, channels }
}

export function turnBack<S extends Pixels>(image: Image<S>, { exchanged, mirrored, upended }: Symmetry): Image<S> {
  return turn(image, exchanged ? { exchanged, mirrored: upended, upended: mirrored } : { exchanged, mirrored, upended })
}

/** Collects so many pictures of one size. @returns what takes the next one, and gives their mean, rounded half up, with the last */
export function meanOf<S extends Pixels>(count: number): (image: Image<S>) => Image<S> | undefined {
  let sums: Float32Array | undefined
  let left = count
  return image => {
    if (count === 1) return image
    const { data } = image
    sums ??= new Float32Array(data.length)
    for (let i = 0; i < data.length; i++) sums[i]! += data[i]!
    if (--left > 0) return undefined
    const mean = sameType(data, data.length)
    for (let i = 0; i < mean.length; i++) mean[i] = sums[i]! / count + 0.5
    return { ...image, data: mean }
  }
}
