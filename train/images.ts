import type { Config } from './config.js'
import { applyDegradation, drawDegradation } from './degradations/index.js'
import { bicubicPair, crop, cropToMultiple, cutMiddle, loadPair, loadPicture } from './pairs.js'
import type { Pair } from './patch.js'
import type { Report } from './progress-line.js'
import { randomAt } from './random.js'
import { findSources, type Source } from './sources.js'

/** What a run learns from and what it is measured on. */
export interface Images {
  training: Source[]
  /** Decoded, in the order of their names. */
  validation: Pair[]
}

/** Larger validation images are cut to their middle: as telling, and a camera's picture would take minutes on wasm. */
const VALIDATION_SIDE = 1024

/**
 * Finds the images of the data folders and decodes those kept for validation. Files that cannot be used are reported and left out.
 * Validation images are degraded as training's are, each in its own way, which stays the same over the run.
 * @throws UprezError `no-input`, `no-images`, `pair-mismatch`
 */
export async function openImages(config: Config, report: Report): Promise<Images> {
  const { scale, data, degradation } = config
  const found = await findSources(data, scale, degradation.kind !== 'bicubic', (done, total) =>
    report.busy('looking at images', done, total),
  )
  const skipped = [...found.skipped]
  const validation: Pair[] = []
  for (const [i, source] of found.validation.entries()) {
    report.busy('decoding validation images', i, found.validation.length)
    try {
      validation.push(await loadMiddle(source, i, config))
    } catch (error) {
      skipped.push({ path: source.path, reason: `it cannot be decoded (${(error as Error).message.split('\n')[0]})` })
    }
  }
  for (const { path, reason } of skipped) report.say(`left out ${path}: ${reason}`)
  const pairs = found.training.filter(({ low }) => low !== undefined).length
  const given = pairs === 0 ? '' : `, ${pairs} of them with their low side`
  report.say(`${found.training.length} images to train on${given}, ${validation.length} kept for validation`)
  return { training: found.training, validation }
}

async function loadMiddle(source: Source, index: number, { scale, seed, degradation }: Config): Promise<Pair> {
  if (source.low !== undefined) return middleOf(await loadPair(source, scale), scale)
  const whole = await loadPicture(source.path)
  const [width, height] = [whole.width, whole.height].map(side => Math.min(side, VALIDATION_SIDE)) as [number, number]
  const high = cropToMultiple(cutMiddle(whole, width, height), scale)
  if (degradation.kind === 'bicubic') return bicubicPair(high, scale)
  return { low: await applyDegradation(drawDegradation(degradation, scale, randomAt(seed, index)), high), high }
}

function middleOf({ low, high }: Pair, scale: number): Pair {
  const [width, height] = [low.width, low.height].map(side => Math.min(side, Math.floor(VALIDATION_SIDE / scale))) as [number, number]
  const [left, top] = [Math.floor((low.width - width) / 2), Math.floor((low.height - height) / 2)]
  return { low: crop(low, left, top, width, height), high: crop(high, left * scale, top * scale, width * scale, height * scale) }
}
