import { UprezError } from '../errors.js'
import { type Image, type Pixels, sameType } from '../image/image.js'
import { isGrey } from '../image/luma.js'
import { type ResizeOptions, resize } from '../image/resize.js'
import type { UpscaleCard } from '../models/card.js'
import { alphaSample, constantIn, fillTransparent, flatRadius, keepFlatAlpha } from './alpha.js'
import type { Abort, Infer, Progress } from './infer.js'
import { type SizeOptions, targetSize } from './size.js'
import { planTiles, type Rect, type Tile } from './tiles.js'
import { meanOf, type Symmetry, symmetriesFor, turn, turnBack, UNTURNED } from './tta.js'
import { cut, type Layer, paste } from './windows.js'

export interface UpscaleOptions extends SizeOptions {
  /** Longest side of a tile's window in input pixels; 0 or nothing: chosen by us. */
  tile?: number | undefined
  /** Test-time augmentation: the mean over the symmetries of each window, at their number times the cost (8, or 4: see tta.ts). */
  tta?: boolean | undefined
  /** Windows given to `infer` before the first has answered (default 2). */
  concurrency?: number | undefined
  /** Called once before the first tile and after each one. */
  onProgress?: ((progress: Progress) => void) | undefined
  /** Looked at before every tile. */
  signal?: Abort | undefined
  /** Does the final resize in place of `resize` of image/, for example elsewhere; the picture's buffer is its own. */
  resize?: ((image: Image<Pixels>, to: ResizeOptions) => Promise<Image<Pixels>>) | undefined
}

/**
 * Enlarges a picture with a model, in tiles, and resizes the result where another scale or size than the model's is asked for.
 *
 * Takes 1..4 channels of 8 or 16 bits and returns as many. Grey stays exactly grey, an RGB picture without colour too. Alpha runs
 * through the model by itself; where it is constant it costs nothing and stays as it is. The colour hidden under transparent
 * pixels is replaced by the nearest visible one.
 * @throws UprezError `invalid-option`, `too-many-pixels` (a model that cannot be tiled), `aborted`, `model-mismatch`
 * (the model's answer has the wrong size), and whatever `infer` throws
 */
export async function upscale<S extends Pixels>(
  image: Image<S>,
  card: UpscaleCard,
  infer: Infer<S>,
  options: UpscaleOptions = {},
): Promise<Image<S>> {
  requirePicture(image)
  const target = targetSize(image, card.scale, options)
  const tiles = planTiles(image, card, options.tile)
  const enlarged = emptyLike(image, card.scale)
  const symmetries = options.tta ? symmetriesFor(card) : [UNTURNED]
  const run: Run<S> = (window, keep) => runTurned(symmetries, window, keep, turned => runChecked(turned, card, infer))

  const jobs = colourJobs(image, enlarged, tiles, card, run)
  const alpha = alphaSample(image.channels)
  const all: Rect = { x: 0, y: 0, width: image.width, height: image.height }
  const oneAlpha = alpha === undefined ? undefined : constantIn(image, alpha, all)
  if (alpha !== undefined && oneAlpha === undefined) jobs.push(...alphaJobs(image, enlarged, tiles, card.scale, run, alpha))

  await runAll(jobs, options)

  if (alpha !== undefined && oneAlpha === undefined) keepFlatAlpha(image, enlarged, card.scale, alpha)
  if (alpha !== undefined && oneAlpha !== undefined) fillSample(enlarged, all, card.scale, alpha, oneAlpha)
  if (target.width === enlarged.width && target.height === enlarged.height) return enlarged
  const to: ResizeOptions = { ...target, kernel: 'lanczos3' }
  return options.resize ? (options.resize(enlarged, to) as Promise<Image<S>>) : resize(enlarged, to)
}

type Job = () => Promise<void>
/** The jobs that run a window, which is cut anew for each; the last to end gives the result on. */
type Run<S extends Pixels> = (window: () => Image<S>, keep: (result: Image<S>) => void) => Job[]

function runTurned<S extends Pixels>(
  symmetries: Symmetry[],
  window: () => Image<S>,
  keep: (result: Image<S>) => void,
  run: Infer<S>,
): Job[] {
  const collect = meanOf<S>(symmetries.length)
  return symmetries.map(symmetry => async () => {
    const result = collect(turnBack(await run(turn(window(), symmetry)), symmetry))
    if (result) keep(result)
  })
}

function colourJobs<S extends Pixels>(
  image: Image<S>,
  enlarged: Image<S>,
  tiles: Tile[],
  { scale, model }: UpscaleCard,
  run: Run<S>,
): Job[] {
  const source = fillTransparent(image)
  const layer: Layer = image.channels >= 3 ? [0, 1, 2] : [0]
  const grey = isGrey(source)
  // A model of one channel takes each colour by itself.
  const layers: Layer[] = model.input.channels === 1 && !grey ? [[0], [1], [2]] : [layer]
  return tiles.flatMap(tile =>
    layers.flatMap(layer =>
      run(
        () => cut(source, tile.window, layer),
        result => paste(enlarged, result, tile, scale, layer, grey),
      ),
    ),
  )
}

function alphaJobs<S extends Pixels>(image: Image<S>, enlarged: Image<S>, tiles: Tile[], scale: number, run: Run<S>, sample: 1 | 3): Job[] {
  return tiles.flatMap(tile => {
    const value = constantIn(image, sample, grown(tile.core, flatRadius))
    if (value !== undefined) return async () => fillSample(enlarged, tile.core, scale, sample, value)
    return run(
      () => cut(image, tile.window, [sample]),
      result => paste(enlarged, result, tile, scale, [sample], true),
    )
  })
}

// Keeps `concurrency` jobs going. After a failure or an abort no further one starts, and the ones under way are waited for.
async function runAll(jobs: Job[], { concurrency = 2, onProgress, signal }: UpscaleOptions): Promise<void> {
  if (!(Number.isInteger(concurrency) && concurrency > 0)) {
    const details = { param: 'concurrency', expected: 'a positive whole number', got: String(concurrency) }
    throw new UprezError('invalid-option', `concurrency must be a positive whole number, not ${concurrency}`, details)
  }
  let next = 0
  let done = 0
  let failure: { error: unknown } | undefined
  onProgress?.({ done, total: jobs.length })
  const line = async () => {
    while (next < jobs.length && failure === undefined) {
      try {
        if (signal?.aborted) throw new UprezError('aborted', 'the work was cancelled')
        await jobs[next++]!()
        onProgress?.({ done: ++done, total: jobs.length })
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, jobs.length) }, line))
  if (failure !== undefined) throw (failure as { error: unknown }).error
  if (signal?.aborted) throw new UprezError('aborted', 'the work was cancelled')
}

async function runChecked<S extends Pixels>(window: Image<S>, card: UpscaleCard, infer: Infer<S>): Promise<Image<S>> {
  const { width, height } = window // the buffer may be transferred away
  const result = await infer(window)
  const expected = `${width * card.scale}×${height * card.scale}×3`
  const got = `${result.width}×${result.height}×${result.channels}`
  if (got === expected && result.data.length === result.width * result.height * 3) return result
  throw new UprezError('model-mismatch', `model ${card.id} answered a window of ${width}×${height} with ${got} instead of ${expected}`, {
    param: 'scale',
    expected,
    got,
  })
}

function fillSample(out: Image<Pixels>, region: Rect, scale: number, sample: number, value: number): void {
  const { data, width, channels } = out
  for (let y = region.y * scale; y < (region.y + region.height) * scale; y++) {
    const end = (y * width + (region.x + region.width) * scale) * channels
    for (let i = (y * width + region.x * scale) * channels + sample; i < end; i += channels) data[i] = value
  }
}

const grown = (r: Rect, by: number): Rect => ({ x: r.x - by, y: r.y - by, width: r.width + 2 * by, height: r.height + 2 * by })

function emptyLike<S extends Pixels>(image: Image<S>, scale: number): Image<S> {
  const width = image.width * scale
  const height = image.height * scale
  return { data: sameType(image.data, width * height * image.channels), width, height, channels: image.channels }
}

function requirePicture({ data, width, height, channels }: Image<Pixels>): void {
  const whole = [width, height, channels].every(n => Number.isInteger(n) && n > 0)
  if (whole && channels <= 4 && (data instanceof Uint8Array || data instanceof Uint16Array) && data.length === width * height * channels)
    return
  throw new UprezError(
    'invalid-option',
    `the picture must hold ${width}×${height} pixels of 1..4 samples, not ${data.length} samples and ${channels} channels`,
    {
      param: 'image',
      expected: 'width × height × channels samples of 8 or 16 bits, 1 to 4 channels',
      got: `${data.length} samples for ${width}×${height}×${channels}`,
    },
  )
}
