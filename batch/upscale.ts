import { dirname } from 'node:path'
import { UprezError } from '../errors.js'
import { defined } from '../infer/defined.js'
import type { Engine } from '../infer/engine.js'
import { startEngine } from '../infer/engine.js'
import { countPages, readHeader } from '../infer/files.js'
import { readLimits, readPrecision, readThreads } from '../infer/limits.js'
import { requireUsableSide } from '../infer/plan.js'
import { type Asked, chooseProvider, describeChoice, readProvider, type Sample } from '../infer/providers.js'
import type { Size } from '../infer/size.js'
import { servingFile, type UpscaleCard } from '../models/card.js'
import type { Model } from '../models/catalog.js'
import { chooseModel } from '../models/catalog.js'
import { modelFolder } from '../probe/model-folder.js'
import { listenForStop } from '../stop.js'
import { estimateWork } from './estimate.js'
import { openManifest, readManifest } from './manifest.js'
import type { Options } from './options.js'
import { readDestination } from './options.js'
import type { Plan } from './plan.js'
import { makePlan } from './plan.js'
import { showProgress } from './progress.js'
import type { Outcome } from './report.js'
import { failureLines, jsonReport, planLines, summaryLines, taskLines } from './report.js'
import { runTasks } from './run.js'
import { checkFolder, checkSpace } from './space.js'
import { sweepTemporaries } from './sweep.js'
import { walk } from './walk.js'

/**
 * `uprez upscale`: walk → plan → estimate → run → report. People read stderr, programs stdout.
 * @returns the exit code: 0; 1 where a picture failed, as the last one does where nothing further can be done; 130 after Ctrl-C
 * @throws UprezError where nothing was begun
 */
export async function upscale(options: Options): Promise<number> {
  const provider = readProvider(options.provider)
  const limits = readLimits()
  const destination = await readDestination(options)
  const { folder } = destination
  const asked = { say: (line: string) => say([line]) }
  const model = await chooseModel(await modelFolder(options.model, asked), await modelFolder(options.modelPath, asked))
  const { card } = model
  requireUsableSide(card, options.tile)
  const precision = readPrecision(options.precision)
  const file = precision === 'fp32' ? card.model : servingFile(card, precision)
  const { depth, dpi, tta } = options
  const recipe = {
    model: card.id,
    sha256: file.sha256,
    ...recordedSize(options.size, card),
    quality: options.quality ?? null,
    depth,
    dpi,
    tta,
  }
  const manifest = await readManifest(folder)
  const walked = await walk(options.input, { recursive: options.recursive, exclude: destination.name === undefined ? folder : undefined })
  const plan = await makePlan(walked, {
    destination,
    manifest,
    card,
    recipe,
    suffix: options.suffix,
    ifExists: options.ifExists,
    readHeader: (path, page) => readHeader({ path }, limits, page),
    countPages: options.allPages ? countPages : undefined,
  })

  if (plan.tasks.length === 0) {
    say(planLines(plan, undefined, options.dryRun))
    if (plan.done.length + plan.failures.length === 0) throw noImages(options.input)
    if (!options.dryRun) await sweepTemporaries(outputFolders(plan))
    return end(nothingMade(plan), options)
  }
  await checkFolder(folder)
  let engine: Promise<Engine> | undefined
  const startOnce = () => {
    engine ??= start({ folder: model.folder, precision }, provider)
    return engine
  }
  try {
    return await make(startOnce, model, plan, folder, options)
  } finally {
    await (await engine)?.close()
  }
}

/** The model's own scale is the same recipe, named or not. */
const recordedSize = (size: Size, card: UpscaleCard): Size => (Object.keys(size).length > 0 ? size : { scale: card.scale })

async function start(sample: Sample, asked: Asked): Promise<Engine> {
  const choice = await chooseProvider(asked, sample)
  say([`computes on ${describeChoice(choice)}`])
  return startEngine({ precision: sample.precision, execution: choice.execution })
}

/** @param startOnce a dry run of little work needs no engine */
async function make(startOnce: () => Promise<Engine>, model: Model, plan: Plan, folder: string, options: Options): Promise<number> {
  const { size, quality, tile, tta, depth, dpi } = options
  const job = { model: model.folder, tile, tta, depth, dpi, ...defined({ quality }) }
  const start = performance.now()
  const threads = readThreads()
  const estimate = await estimateWork(plan.tasks, { engine: startOnce, card: model.card, job, cpus: threads })
  say(planLines(plan, estimate, options.dryRun))
  await checkSpace(folder, estimate.bytes)
  if (options.dryRun) return end({ ...nothingMade(plan), estimate }, options)

  const engine = await startOnce()
  const manifest = await openManifest(folder)
  await sweepTemporaries(outputFolders(plan))
  const watcher = showProgress(plan.tasks, process.stderr)
  const stop = listenForStop(
    () => watcher.say('stopping; Ctrl-C again ends at once'),
    () => engine.pid !== undefined && process.kill(engine.pid, 'SIGKILL'),
  )
  // Two more than compute: one decodes and one encodes meanwhile.
  const jobs = options.jobs ?? threads + 2
  const run = await runTasks(plan.tasks, { engine, manifest, job: { ...job, ...size }, jobs, signal: stop.signal, watcher }).finally(
    async () => {
      watcher.stop()
      stop.release()
      await manifest.close()
    },
  )
  const { made, failures, bug } = run
  const seconds = (performance.now() - start) / 1000
  const code = end(
    { plan, estimate, made, failures: [...plan.failures, ...failures], seconds, stopped: stop.exitCode !== undefined },
    options,
  )
  if (bug !== undefined) throw bug
  return stop.exitCode ?? code
}

/** Those of the pictures that are done as well: the killed run may have been making them. */
const outputFolders = ({ tasks, done }: Plan): Set<string> => new Set([...tasks, ...done].map(task => dirname(task.output)))

function nothingMade(plan: Plan): Outcome {
  return { plan, estimate: undefined, made: [], failures: plan.failures, seconds: 0, stopped: false }
}

/** Prints the report; the exit code says whether a picture failed. */
function end(outcome: Outcome, { dryRun, json }: Options): number {
  if (json) console.log(jsonReport(outcome))
  else if (dryRun) for (const line of taskLines(outcome.plan.tasks)) console.log(line)
  say(failureLines(outcome))
  if (!dryRun) say(summaryLines(outcome))
  return outcome.failures.length > 0 ? 1 : 0
}

function say(lines: readonly string[]): void {
  for (const line of lines) console.error(line)
}

function noImages(input: readonly string[]): UprezError {
  return new UprezError('no-images', `--input: no picture in ${input.join(', ')}`, {
    param: 'input',
    expected: 'PNG, JPEG, WebP, AVIF or TIFF files',
  })
}
