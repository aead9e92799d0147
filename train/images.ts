import type { Config } from './config.js'
import { findSources, loadPair, type Source } from './pairs.js'
import type { Pair } from './patch.js'
import type { Report } from './progress-line.js'

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
 * @throws UprezError `no-input`, `no-images`
 */
export async function openImages({ scale, data }: Config, report: Report): Promise<Images> {
  const found = await findSources(data.folders, scale, data.patch, data.validation, (done, total) =>
    report.busy('looking at images', done, total),
  )
  const skipped = [...found.skipped]
  const validation: Pair[] = []
  for (const [i, { path }] of found.validation.entries()) {
    report.busy('decoding validation images', i, found.validation.length)
    try {
      validation.push(await loadPair(path, scale, VALIDATION_SIDE))
    } catch (error) {
      skipped.push({ path, reason: `it cannot be decoded (${(error as Error).message.split('\n')[0]})` })
    }
  }
  for (const { path, reason } of skipped) report.say(`left out ${path}: ${reason}`)
  report.say(`${found.training.length} images to train on, ${validation.length} kept for validation`)
  return { training: found.training, validation }
}
