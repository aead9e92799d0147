import { mkdir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { checkWritable, writeAtomic } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { encode } from '../infer/encode.js'
import type { Engine } from '../infer/engine.js'
import { startEngine } from '../infer/engine.js'
import { readPrecision, readThreads } from '../infer/limits.js'
import type { Model } from '../models/catalog.js'
import { chooseModel } from '../models/catalog.js'
import { modelFolder } from '../probe/model-folder.js'
import { writeScores } from './card-scores.js'
import type { EvalOptions } from './command.js'
import { groupByScale } from './groups.js'
import type { Evaluation, MeasureOptions } from './measure.js'
import { measureSet } from './measure.js'
import { KERNELS, modelMethod } from './methods.js'
import { showProgress } from './progress.js'
import { csvReport, jsonReport, markdownReport } from './report.js'
import { type DataSet, findSets } from './sets.js'

/**
 * `uprez eval`: sets × (bilinear, bicubic, Lanczos, the models) → a table on stdout or in a file.
 * @returns the exit code: 0; 1 where a picture could not be measured
 * @throws UprezError `no-input`, `no-images`, `unknown-model`, `invalid-option`, `not-writable`
 */
export async function runEvaluation(options: EvalOptions): Promise<number> {
  const models = await chooseModels(options)
  const groups = groupByScale(models, await findSets(options.data), options.scale)
  if (options.writeCard) {
    refuseOtherPrecision()
    for (const { scale, models, sets } of groups) {
      for (const model of models) refuseForeignScale(scale, model)
      for (const set of sets) refusePairs(set)
    }
  }
  if (options.output !== undefined) await checkWritable(options.output)

  const threads = readThreads()
  const engine = await startEngine({ threads })
  const progress = showProgress(
    groups.flatMap(({ sets }) => sets),
    process.stderr,
  )
  const evaluations: Evaluation[] = []
  let provider = ''
  try {
    for (const model of models) provider = await warmUp(engine, model)
    for (const { scale, models, sets } of groups) {
      const methods = [...KERNELS, ...models.map(model => modelMethod(engine, model, scale))]
      const folder = options.saveImages !== undefined && groups.length > 1 ? join(options.saveImages, `x${scale}`) : options.saveImages
      const around: MeasureOptions = { methods, scale, checks: options.checks ?? false, onImage: progress.step }
      if (folder !== undefined) around.onPictures = savePictures(folder)
      for (const set of sets) {
        const evaluation = await measureSet(set, around)
        for (const { picture, error } of evaluation.failures) progress.say(`${picture.high}: ${error.code}: ${error.message}`)
        evaluations.push(evaluation)
      }
    }
  } finally {
    progress.stop()
    await engine.close()
  }

  const print = options.json ? jsonReport : options.csv ? csvReport : markdownReport
  const text = print({ models, precision: readPrecision(undefined), provider, threads, checks: options.checks ?? false }, evaluations)
  if (options.output === undefined) console.log(text)
  else await writeAtomic(options.output, `${text}\n`)

  const failed = evaluations.reduce((sum, { failures }) => sum + failures.length, 0)
  if (failed > 0) console.error(`${failed} of the pictures could not be measured${options.writeCard ? '; no card was changed' : ''}`)
  else if (options.writeCard) {
    for (const model of models) console.error(`scores written to ${await writeScores(model, evaluations)}`)
  }
  return failed > 0 ? 1 : 0
}

/** Each model named, by id or by folder; without a name, as every command has it. */
async function chooseModels({ modelName, modelPath }: EvalOptions): Promise<Model[]> {
  const folder = await modelFolder(modelPath)
  const models = await Promise.all((modelName ?? [undefined]).map(async name => chooseModel(await modelFolder(name), folder)))
  const names = ['low', 'original', ...KERNELS.map(({ name }) => name), ...models.map(({ card }) => card.id)]
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice === undefined) return models
  throw new UprezError('invalid-option', `-n: two rows would be called ${twice}`, {
    param: 'model-name',
    expected: 'models with different ids',
    got: twice,
  })
}

/** One picture before the clock runs: sessions are made, and a model that cannot work at all is not taken for a broken picture. */
async function warmUp(engine: Engine, model: Model): Promise<string> {
  const grey: Image = { data: new Uint8Array(128 * 128 * 3).fill(128), width: 128, height: 128, channels: 3 }
  const bytes = await encode(grey, 'png', undefined, {})
  return (await engine.upscale({ input: { bytes }, model: model.folder, format: 'png', tile: 0 })).provider
}

function savePictures(folder: string): NonNullable<MeasureOptions['onPictures']> {
  return async (set, file, pictures) => {
    const name = extname(file).toLowerCase() === '.png' ? file : `${file}.png`
    for (const [kind, picture] of Object.entries(pictures)) {
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

function refuseForeignScale(scale: number, { card }: Model): void {
  if (scale === card.scale) return
  throw new UprezError(
    'invalid-option',
    `--write-card: the card of ${card.id} takes scores at its own scale, ×${card.scale}, not ×${scale}`,
    {
      param: 'write-card',
      expected: `--scale ${card.scale}`,
      got: `--scale ${scale}`,
    },
  )
}

/** The scores on a card are by the protocol of the published tables, which makes the low sides itself. */
function refusePairs(set: DataSet): void {
  if (set.scale === null) return
  throw new UprezError('invalid-option', `--write-card: expected originals only but received pairs, in ${set.folder}`, {
    param: 'write-card',
    expected: 'folders of high-resolution pictures',
    got: set.folder,
  })
}

/** The scores on a card are those of its canonical file. */
function refuseOtherPrecision(): void {
  const precision = readPrecision(undefined)
  if (precision === 'fp32') return
  throw new UprezError('invalid-option', `--write-card: expected fp32 for UPREZ_PRECISION but received ${precision}`, {
    param: 'UPREZ_PRECISION',
    expected: 'fp32',
    got: precision,
  })
}
