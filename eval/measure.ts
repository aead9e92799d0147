import { UprezError } from '../errors.js'
import { channelShift, consistency, gridPower, gridRatio } from '../image/checks.js'
import type { Image } from '../image/image.js'
import { psnr, psnrY, ssimY } from '../image/metrics.js'
import { niqe } from '../image/niqe.js'
import type { Method } from './methods.js'
import { loadPair, type Pair } from './pairs.js'
import type { DataSet, SetPicture } from './sets.js'

/** What one picture says of one method. */
export interface Figures extends Judged {
  /** dB; Infinity where nothing differs. */
  psnrY: number
  /** dB over red, green and blue. */
  psnrRgb: number
  /** 0..1 */
  ssimY: number
  /** See `Enlarged`. */
  seconds: number
}

/** What can be said of an original too. */
export interface Judged {
  /** null where it is not defined: less than a block of 96×96 pixels. */
  niqe: number | null
  /** Only where they are asked for. */
  checks?: Checks
}

/** Whether a picture keeps to its low side and shows no grid: image/checks.ts. */
export interface Checks {
  /** dB; Infinity where nothing differs. */
  consistency: number
  /** Of red, green and blue, in steps of 255. */
  shift: number[]
  /** By frequency. */
  gridPower: number[]
}

export interface Measured {
  name: string
  /** Of the high-resolution picture, cropped. */
  width: number
  height: number
  original: Judged
  /** By method. */
  figures: Record<string, Figures>
}

/** A set at a scale. */
export interface Evaluation {
  set: DataSet
  scale: number
  methods: string[]
  images: Measured[]
  failures: { picture: SetPicture; error: UprezError }[]
}

export interface MeasureOptions {
  methods: readonly Method[]
  scale: number
  checks?: boolean
  onImage?: (set: DataSet) => void
  /** Receives the low side and what each method made of it. */
  onPictures?: (set: DataSet, name: string, pictures: Record<string, Image>) => Promise<void>
}

/** Measures every picture of a set. One that cannot be read or upscaled is kept among the failures; anything else that goes wrong is thrown. */
export async function measureSet(set: DataSet, options: MeasureOptions): Promise<Evaluation> {
  const { methods, scale, onImage } = options
  const evaluation: Evaluation = { set, scale, methods: methods.map(({ name }) => name), images: [], failures: [] }
  for (const picture of set.pictures) {
    try {
      evaluation.images.push(await measurePicture(set, picture, options))
    } catch (error) {
      if (!(error instanceof UprezError) || error.code === 'not-writable' || error.code === 'no-space') throw error
      evaluation.failures.push({ picture, error })
    }
    onImage?.(set)
  }
  return evaluation
}

/** Mean over the pictures, as the published tables have it. */
export interface Mean {
  psnrY: number
  psnrRgb: number
  ssimY: number
  /** Over those pictures where it is defined; null where it is nowhere. */
  niqe: number | null
  /** A megapixel is 10⁶ pixels of output. */
  secondsPerMegapixel: number
  checks?: MeanChecks
}

export interface MeanChecks {
  /** dB */
  consistency: number
  /** Mean over the pictures of the channel that is furthest off, in steps of 255. */
  shift: number
  /** Power at the grid's frequencies, as a multiple of the originals'; at the frequency where that is largest. */
  grid: number
}

/** @param images at least one */
export function meanOf(images: readonly Measured[], method: string): Mean {
  const figures = images.map(image => image.figures[method]!)
  const pixels = images.reduce((sum, { width, height }) => sum + width * height, 0)
  return {
    psnrY: mean(figures.map(figure => figure.psnrY)),
    psnrRgb: mean(figures.map(figure => figure.psnrRgb)),
    ssimY: mean(figures.map(figure => figure.ssimY)),
    ...meanJudged(figures, images),
    secondsPerMegapixel: figures.reduce((sum, { seconds }) => sum + seconds, 0) / (pixels / 1e6),
  }
}

/** The originals' own row. */
export function meanOfOriginals(images: readonly Measured[]): Pick<Mean, 'niqe' | 'checks'> {
  return meanJudged(
    images.map(({ original }) => original),
    images,
  )
}

function meanJudged(judged: readonly Judged[], images: readonly Measured[]): Pick<Mean, 'niqe' | 'checks'> {
  const natural = judged.map(({ niqe }) => niqe).filter(value => value !== null)
  const checks = judged.map(({ checks }) => checks).filter(value => value !== undefined)
  const originals = images.map(({ original }) => original.checks?.gridPower ?? [])
  return {
    niqe: natural.length === 0 ? null : mean(natural),
    ...(checks.length === 0
      ? {}
      : {
          checks: {
            consistency: mean(checks.map(({ consistency }) => consistency)),
            shift: mean(checks.map(({ shift }) => Math.max(...shift.map(Math.abs)))),
            grid: gridRatio(
              checks.map(({ gridPower }) => gridPower),
              originals,
            ),
          },
        }),
  }
}

async function measurePicture(set: DataSet, picture: SetPicture, options: MeasureOptions): Promise<Measured> {
  const { methods, scale, checks = false, onPictures } = options
  const pair = await loadPair(picture, scale)
  const { low, high } = pair
  const size = { width: high.width, height: high.height }
  const pictures: Record<string, Image> = { low }
  const figures: Measured['figures'] = {}
  for (const method of methods) {
    const { picture, seconds } = await method.enlarge(low, size)
    pictures[method.name] = picture
    figures[method.name] = {
      psnrY: psnrY(high, picture, scale),
      psnrRgb: psnr(high, picture, scale),
      ssimY: ssimY(high, picture, scale),
      ...judge(picture, pair, scale, checks),
      seconds,
    }
  }
  await onPictures?.(set, picture.name, pictures)
  return { name: picture.name, ...size, original: judge(high, pair, scale, checks), figures }
}

function judge(picture: Image, { low, high }: Pair, scale: number, checks: boolean): Judged {
  const natural = niqe(picture, scale)
  if (!checks) return { niqe: natural }
  return {
    niqe: natural,
    checks: {
      consistency: consistency(picture, low),
      shift: channelShift(picture, high),
      // A restorer at ×1 has a grid too: most go down and up by 2 inside.
      gridPower: gridPower(picture, Math.max(2, scale)),
    },
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
