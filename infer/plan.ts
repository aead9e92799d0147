import { UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'
import { targetSize } from '../runtime/size.js'
import { requireUsableSide } from '../runtime/tiles.js'
import { symmetriesFor } from '../runtime/tta.js'
import { checkOutputSize, outputDensity, outputDepth, outputFormat } from './encode.js'
import type { Header } from './files.js'
import type { Depth, Job, JobResult, Limits } from './job.js'
import type { Size } from './size.js'

export { requireUsableSide }

/** What is to be made of a picture, known from its header. */
export interface Plan {
  format: JobResult['format']
  target: { width: number; height: number }
  input: JobResult['input']
  depth: Depth
  /** Pixels per inch that the result says it has. */
  density: number | undefined
  /** Of the largest picture that is held. */
  pixels: number
}

/** Bits of a sample of the result, and so of what the model is to take. @throws UprezError `invalid-option` */
export const depthFor = (job: Job, { format, depth }: Header): Depth => outputDepth(job.depth, depth, outputFormat(job.format, format))

/** How large the result is. @throws UprezError `invalid-option` */
export const targetFor = (size: Size, picture: Pick<Header, 'width' | 'height'>, card: UpscaleCard): Plan['target'] =>
  targetSize(picture, card.scale, size)

/** How often the model runs on each window. */
export const runsFor = ({ tta }: Pick<Job, 'tta'>, card: UpscaleCard): number => (tta ? symmetriesFor(card).length : 1)

/** @throws UprezError `invalid-option`, `output-too-large` */
export function planJob(job: Job, header: Header, card: UpscaleCard, limits: Limits): Plan {
  const { format: from, width, height } = header
  requireUsableSide(card, job.tile)
  const format = outputFormat(job.format, from)
  const depth = depthFor(job, header)
  const target = targetFor(job, header, card)
  checkOutputSize(target.width, target.height, format)
  const density = outputDensity(job.dpi, header.density, target.width / width)
  const pixels = Math.max(target.width * target.height, width * height * card.scale ** 2)
  if (pixels * (depth / 8) > limits.maxOutputPixels) {
    const expected = `at most ${limits.maxOutputPixels} pixels`
    const got = `${pixels} pixels${depth === 16 ? ' of 16 bits, which count twice' : ''} (${width}×${height}, enlarged ${card.scale}× by the model, to ${target.width}×${target.height})`
    throw new UprezError('output-too-large', `Expected ${expected} of output but the picture needs ${got}`, {
      param: 'image',
      expected,
      got,
    })
  }
  return { format, target, input: { format: from, width, height }, depth, density, pixels }
}
