import { join } from 'node:path'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { psnrY, ssimY } from '../image/metrics.js'
import { resize } from '../image/resize.js'
import { encode } from '../infer/encode.js'
import type { Engine } from '../infer/engine.js'
import { decode } from '../infer/files.js'
import type { Model } from '../models/catalog.js'
import { loadPair, rgb } from './pairs.js'
import type { DataSet } from './sets.js'

/** The ways to enlarge that are compared; `model` is the one under test. */
export const METHODS = ['bilinear', 'bicubic', 'model'] as const
export type Method = (typeof METHODS)[number]

export interface Figures {
  /** dB; Infinity where nothing differs. */
  psnrY: number
  /** 0..1 */
  ssimY: number
  /**
   * The model: from the low picture's PNG in our hand to the result's, through the engine that serves (decode, tiles, encode and
   * the way to the engine's process and back), one picture at a time. Bilinear, bicubic: the resize alone, one thread.
   */
  seconds: number
}

export interface Measured {
  file: string
  /** Of the high-resolution picture, cropped. */
  width: number
  height: number
  figures: Record<Method, Figures>
}

export interface Evaluation {
  set: DataSet
  images: Measured[]
  failures: { file: string; error: UprezError }[]
}

export interface MeasureOptions {
  engine: Engine
  model: Model
  scale: number
  onImage?: (set: DataSet, file: string) => void
  /** Receives what was computed for one picture. */
  onPictures?: (set: DataSet, file: string, pictures: { low: Image; bicubic: Image; model: Image }) => Promise<void>
}

/** Measures every picture of a set. One that cannot be read or upscaled is kept among the failures; anything else that goes wrong is thrown. */
export async function measureSet(set: DataSet, options: MeasureOptions): Promise<Evaluation> {
  const evaluation: Evaluation = { set, images: [], failures: [] }
  for (const file of set.files) {
    try {
      evaluation.images.push(await measureImage(set, file, options))
    } catch (error) {
      if (!(error instanceof UprezError) || error.code === 'not-writable' || error.code === 'no-space') throw error
      evaluation.failures.push({ file, error })
    }
    options.onImage?.(set, file)
  }
  return evaluation
}

/** Mean over the pictures, as the published tables have it; time per megapixel (10⁶ pixels) of output. */
export function meanOf(images: readonly Measured[], method: Method): { psnrY: number; ssimY: number; secondsPerMegapixel: number } {
  const sum = (value: (image: Measured) => number) => images.reduce((total, image) => total + value(image), 0)
  return {
    psnrY: sum(image => image.figures[method].psnrY) / images.length,
    ssimY: sum(image => image.figures[method].ssimY) / images.length,
    secondsPerMegapixel: sum(image => image.figures[method].seconds) / (sum(({ width, height }) => width * height) / 1e6),
  }
}

async function measureImage(set: DataSet, file: string, { engine, model, scale, onPictures }: MeasureOptions): Promise<Measured> {
  const { low, high } = await loadPair(join(set.folder, file), scale)
  const size = { width: high.width, height: high.height }
  const bytes = await encode(low, 'png', undefined, {})
  const job = { input: { bytes }, model: model.folder, format: 'png' as const, tile: 0, ...(scale === model.card.scale ? {} : { scale }) }

  const upscaled = await timed(() => engine.upscale(job))
  const answer = rgb((await decode(upscaled.value.bytes!, { maxInputPixels: Number.MAX_SAFE_INTEGER })).image)
  const bilinear = await timed(() => resize(low, { ...size, kernel: 'bilinear' }))
  const bicubic = await timed(() => resize(low, { ...size, kernel: 'bicubic' }))
  await onPictures?.(set, file, { low, bicubic: bicubic.value, model: answer })

  const score = (picture: Image, seconds: number) => ({ psnrY: psnrY(high, picture, scale), ssimY: ssimY(high, picture, scale), seconds })
  return {
    file,
    ...size,
    figures: {
      bilinear: score(bilinear.value, bilinear.seconds),
      bicubic: score(bicubic.value, bicubic.seconds),
      model: score(answer, upscaled.seconds),
    },
  }
}

async function timed<T>(work: () => T | Promise<T>): Promise<{ value: T; seconds: number }> {
  const start = performance.now()
  const value = await work()
  return { value, seconds: (performance.now() - start) / 1000 }
}
