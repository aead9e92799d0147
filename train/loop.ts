import { join } from 'node:path'
import { UprezError } from '../errors.js'
import type { Tf } from '../nets/engine.js'
import { type Batch, batchOrder, openBatches } from './batches.js'
import { type Best, loadCheckpoint, type Progress, saveCheckpoint } from './checkpoint.js'
import type { Config } from './config.js'
import { saveGenerator } from './generator-folder.js'
import type { Images } from './images.js'
import { openJournal } from './journal.js'
import { METRICS } from './loop-options.js'
import type { Report } from './progress-line.js'
import type { Recipe } from './recipe.js'
import { stopwatch } from './stopwatch.js'

export interface Run {
  tf: Tf
  config: Config
  recipe: Recipe
  images: Images
  /** The run folder; holds `config.json` already. */
  folder: string
  /** Go on from the newest checkpoint. */
  resume: boolean
  report: Report
  signal: AbortSignal
}

/** Pictures on a sheet of samples. */
const SHEET_ROWS = 4

/**
 * Trains until the last step of the schedule or an abort; both leave a checkpoint and a generator behind.
 * @returns the steps done
 * @throws UprezError `diverged` when a loss, a gradient or a weight is no number any more; the last good checkpoint stands
 */
export async function train({ tf, config, recipe, images, folder, resume, report, signal }: Run): Promise<number> {
  const { every, schedule } = config
  const checkpoints = join(folder, 'checkpoint')
  const shown = images.validation.length > 0

  let progress: Progress = resume ? await loadCheckpoint(tf, checkpoints, recipe, report.say) : { step: 0, best: null }
  if (resume) report.say(`going on after step ${progress.step}`)
  const first = progress.step + 1
  const modules = ownModules(config)
  let saved: number | undefined
  const journal = await openJournal(folder, progress.step)
  const batches = openStream()
  const clock = stopwatch()

  try {
    while (progress.step < schedule.steps && !signal.aborted) {
      const step = progress.step + 1
      const material = await clock.wait(batches.take(step))
      const tensors = tf.memory().numTensors
      const values = await recipe.step(material, step)
      guard(values, step)
      const left = tf.memory().numTensors - tensors
      // A module may make at its first call what it needs at every one.
      if (left !== 0 && !(modules.length > 0 && step === first)) throw leftBehind(step, left, modules)
      progress = { ...progress, step }
      clock.stepped()
      report.step({ step, steps: schedule.steps, values, ...clock.read(), best: progress.best })

      const due = (frequency: number | undefined) => frequency !== undefined && step % frequency === 0
      const last = step === schedule.steps
      if (due(every.log) || last) {
        const { stepsPerSecond, waiting } = clock.read()
        await journal.numbers(step, { ...values, 'steps per second': stepsPerSecond, 'data wait': waiting })
      }
      if (shown && (due(every.validate) || last)) await clock.pause(() => measure(step))
      if (shown && (due(every.samples ?? every.validate) || last)) await clock.pause(() => draw(step))
      if (due(every.histograms)) await clock.pause(() => journal.weights(step, recipe.networks))
      if (due(every.checkpoint)) await clock.pause(checkpoint)
      await turn()
    }
    if (saved !== progress.step) await checkpoint()
    return progress.step
  } finally {
    await batches.close()
    journal.close()
  }

  async function measure(step: number): Promise<void> {
    const scores = await recipe.validate(images.validation, done => report.busy(`step ${step}: validating`, done, images.validation.length))
    guard(scores, step)
    await journal.numbers(step, Object.fromEntries(Object.entries(scores).map(([name, value]) => [`validation/${name}`, value])))
    const { metric } = config.best
    const value = scores[metric]
    if (value === undefined)
      report.say(`step ${step}: no best is kept: no picture for validation is large and textured enough for ${metric}`)
    const best = value === undefined ? null : { metric, value, step }
    const isBest = best !== null && beats(best, progress.best)
    if (isBest) {
      progress = { ...progress, best }
      await saveGenerator(recipe, config, step, images.training.length, join(folder, 'best'))
    }
    const list = Object.entries(scores).map(([name, value]) => `${name} ${value.toPrecision(5)}`)
    report.say(`step ${step}: validation ${list.join(', ')}${isBest ? `; best ${metric} so far, kept in ${join(folder, 'best')}` : ''}`)
  }

  async function draw(step: number): Promise<void> {
    await journal.sheet(step, await recipe.samples(images.validation.slice(0, SHEET_ROWS)))
  }

  async function checkpoint(): Promise<void> {
    await saveCheckpoint(checkpoints, recipe, progress, config.keep)
    await saveGenerator(recipe, config, progress.step, images.training.length, join(folder, 'generator'))
    saved = progress.step
  }

  /** Each step takes the next `batchesPerStep` batches. */
  function openStream() {
    const count = recipe.batchesPerStep
    const stream = openBatches(batchOrder(config, images.training), progress.step * count + 1, (path, reason) =>
      report.say(`left out ${path}: ${reason}`),
    )
    return {
      async take(step: number): Promise<Batch[]> {
        const taken: Batch[] = []
        for (let i = 1; i <= count; i++) taken.push(await stream.next((step - 1) * count + i))
        return taken
      },
      close: stream.close,
    }
  }
}

function guard(values: Record<string, number>, step: number): void {
  const bad = Object.entries(values).find(([, value]) => !Number.isFinite(value))
  if (!bad) return
  throw new UprezError(
    'diverged',
    `${bad[0]} became ${bad[1]} at step ${step}; the last checkpoint is kept: resume it with a lower learning rate`,
    {
      param: bad[0],
      expected: 'a finite number',
      got: String(bad[1]),
    },
  )
}

/** The options that name modules of the user's own which take part in a step. */
function ownModules({ losses, network }: Config): string[] {
  return [
    ...(losses.module && losses.module.weight > 0 ? ['losses.module.path'] : []),
    ...(network.kind === 'module' ? ['network.path'] : []),
  ]
}

/** @param modules as `ownModules`; where there are none, it is our own fault */
function leftBehind(step: number, count: number, modules: string[]): Error {
  const message = `step ${step} left ${count} tensors behind`
  const [param] = modules
  if (param === undefined) return new Error(message)
  return new UprezError('invalid-module', `${message}: after its first step, the module of ${modules.join(' or ')} must keep none`, {
    param,
    expected: 'tensors kept in its first step only',
    got: `${count} at step ${step}`,
  })
}

function beats(now: Best, before: Best | null): boolean {
  if (before?.metric !== now.metric) return true
  return METRICS[now.metric] === 'lower' ? now.value < before.value : now.value > before.value
}

/** Lets Node hear signals, timers and workers: on the native engine, a step by itself gives it no occasion. */
function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
