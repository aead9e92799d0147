import { mkdir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { writeAtomic } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { cpusAllowed } from '../infer/cpus.js'
import { encode } from '../infer/encode.js'
import type { Engine } from '../infer/engine.js'
import { startEngine } from '../infer/engine.js'
import { ENGINE_SETTINGS, readSetting } from '../infer/limits.js'
import type { Model } from '../models/catalog.js'
import { chooseModel } from '../models/catalog.js'
import { writeScores } from './card-scores.js'
import type { EvalOptions } from './command.js'
import type { Evaluation } from './measure.js'
import { measureSet } from './measure.js'
import { showProgress } from './progress.js'
import type { Subject } from './report.js'
import { jsonReport, textReport } from './report.js'
import type { DataSet } from './sets.js'
import { findSets } from './sets.js'

/**
 * `uprez eval`: sets × (bilinear, bicubic, the model) → a table on stdout.
 * @returns the exit code: 0; 1 where a picture could not be measured
 * @throws UprezError `no-input`, `no-images`, `unknown-model`, `invalid-option`, `not-writable`
 */
export async function runEvaluation(options: EvalOptions): Promise<number> {
  const model = await chooseModel(options.modelName, options.modelPath)
  const scale = options.scale ?? model.card.scale
  if (options.writeCard && scale !== model.card.scale) throw foreignScale(scale, model)
  const sets = await findSets(options.data)

  const threads = readSetting('threads', ENGINE_SETTINGS.threads, undefined) ?? cpusAllowed()
  const engine = await startEngine({ threads })
  const progress = showProgress(sets, process.stderr)
  const evaluations: Evaluation[] = []
  try {
    const provider = await warmUp(engine, model)
    const subject: Subject = { card: model.card, scale, provider, threads }
    const onPictures = options.saveImages === undefined ? undefined : savePictures(options.saveImages, model.card.id)
    for (const set of sets) {
      const evaluation = await measureSet(set, { engine, model, scale, onImage: progress.step, ...(onPictures ? { onPictures } : {}) })
      for (const { file, error } of evaluation.failures) progress.say(`${join(set.folder, file)}: ${error.code}: ${error.message}`)
      evaluations.push(evaluation)
    }
    progress.stop()
    console.log(options.json ? jsonReport(subject, evaluations) : textReport(subject, evaluations))
  } finally {
    progress.stop()
    await engine.close()
  }

  const failed = evaluations.reduce((sum, { failures }) => sum + failures.length, 0)
  if (failed > 0) console.error(`${failed} of the pictures could not be measured${options.writeCard ? '; the card was left as it is' : ''}`)
  else if (options.writeCard) console.error(`scores written to ${await writeScores(model, evaluations)}`)
  return failed > 0 ? 1 : 0
}

/** One picture before the clock runs: sessions are made, and a model that cannot work at all is not taken for a broken picture. */
async function warmUp(engine: Engine, model: Model): Promise<string> {
  const grey: Image = { data: new Uint8Array(128 * 128 * 3).fill(128), width: 128, height: 128, channels: 3 }
  const bytes = await encode(grey, 'png', undefined, {})
  return (await engine.upscale({ input: { bytes }, model: model.folder, format: 'png', tile: 0 })).provider
}

function savePictures(folder: string, id: string) {
  return async (set: DataSet, file: string, pictures: { low: Image; bicubic: Image; model: Image }) => {
    const name = extname(file).toLowerCase() === '.png' ? file : `${file}.png`
    for (const [kind, picture] of Object.entries({ low: pictures.low, bicubic: pictures.bicubic, [id]: pictures.model })) {
      const place = join(folder, set.name, kind)
      await mkdir(place, { recursive: true }).catch(cause => {
        throw new UprezError('not-writable', `--save-images: ${place} cannot be made: ${(cause as Error).message}`, {
          param: 'save-images',
          cause,
        })
      })
      await writeAtomic(join(place, name), await encode(picture, 'png', undefined, {}), `${process.pid}`)
    }
  }
}

function foreignScale(scale: number, { card }: Model): UprezError {
  return new UprezError(
    'invalid-option',
    `--write-card: the card of ${card.id} takes scores at its own scale, ×${card.scale}, not ×${scale}`,
    {
      param: 'write-card',
      expected: `--scale ${card.scale}`,
      got: `--scale ${scale}`,
    },
  )
}
