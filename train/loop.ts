import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomic, writeError } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { Tf } from '../nets/engine.js'
import { openBatches } from './batches.js'
import { loadCheckpoint, type Progress, saveCheckpoint } from './checkpoint.js'
import type { Config } from './config.js'
import { openEvents } from './events.js'
import { saveGenerator } from './generator-folder.js'
import type { Images } from './images.js'
import type { Report } from './progress-line.js'
import type { Recipe } from './recipe.js'
import { sampleSheet, validate } from './validate.js'

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

const SHEET_ROWS = 4

/**
 * Trains until the last step of the schedule or an abort; both leave a checkpoint and a generator behind.
 * @returns the steps done
 * @throws UprezError `diverged` when a loss or a weight is no number any more; the last good checkpoint stands
 */
export async function train({ tf, config, recipe, images, folder, resume, report, signal }: Run): Promise<number> {
  const { scale, data, every, schedule } = config
  const pairs = images.validation
  const generator = recipe.networks[recipe.exportable]!
  const optimizer = recipe.optimizers[recipe.exportable]!

  let progress: Progress = resume ? await loadCheckpoint(join(folder, 'checkpoint'), recipe, report.say) : { step: 0, best: null }
  if (resume) report.say(`going on after step ${progress.step}`)
  let saved: number | undefined
  const metrics = join(folder, 'metrics.jsonl')
  await dropLaterLines(metrics, progress.step)
  const events = openEvents(folder, progress.step + 1)
  const order = { ...data, scale, seed: config.seed, sources: images.training }
  const batches = openBatches(order, progress.step + 1, (path, reason) => report.say(`left out ${path}: ${reason}`))
  const clock = stopwatch()

  try {
    while (progress.step < schedule.steps && !signal.aborted) {
      const step = progress.step + 1
      const waitFrom = performance.now()
      const batch = await batches.next(step)
      clock.waited(performance.now() - waitFrom)
      const tensors = tf.memory().numTensors
      const values = await recipe.step(batch, step)
      guard(values, step)
      if (tf.memory().numTensors !== tensors) throw new Error(`step ${step} left ${tf.memory().numTensors - tensors} tensors behind`)
      progress = { ...progress, step }
      clock.stepped()
      report.step({ step, steps: schedule.steps, loss: Object.values(values)[0]!, ...clock.read(), best: progress.best })

      if (step % every.log === 0) {
        await log(step, { ...values, 'steps per second': clock.read().stepsPerSecond, 'data wait': clock.read().waiting })
      }
      if (pairs.length > 0 && (step % every.validate === 0 || step === schedule.steps)) await measure(step)
      if (step % every.checkpoint === 0) await checkpoint()
    }
    if (saved !== progress.step) await checkpoint()
    return progress.step
  } finally {
    await batches.close()
    events.close()
  }

  async function measure(step: number): Promise<void> {
    clock.pause()
    await optimizer.withAverage(async () => {
      const scores = await validate(tf, generator, pairs, scale, done => report.busy(`step ${step}: validating`, done, pairs.length))
      if (!progress.best || scores.psnrY > progress.best.psnrY) progress = { step, best: { psnrY: scores.psnrY, step } }
      await log(step, { 'validation/PSNR-Y': scores.psnrY, 'validation/SSIM-Y': scores.ssimY })
      report.say(`step ${step}: validation PSNR-Y ${scores.psnrY.toFixed(3)} dB, SSIM-Y ${scores.ssimY.toFixed(4)}`)
      await saveSheet(step)
    })
    clock.resume()
  }

  async function checkpoint(): Promise<void> {
    clock.pause()
    await saveCheckpoint(join(folder, 'checkpoint'), recipe, progress)
    await optimizer.withAverage(() => saveGenerator(generator, config, progress.step, images.training.length, join(folder, 'generator')))
    saved = progress.step
    clock.resume()
  }

  async function log(step: number, values: Record<string, number>): Promise<void> {
    events.scalars(step, values)
    await appendFile(metrics, `${JSON.stringify({ step, ...values })}\n`).catch(error => {
      throw writeError(error, metrics)
    })
  }

  async function saveSheet(step: number): Promise<void> {
    const side = Math.min(240, ...pairs.map(({ high }) => Math.min(high.width, high.height)))
    const sheet = await sampleSheet(tf, generator, pairs.slice(0, SHEET_ROWS), scale, side)
    events.picture(step, 'samples: low, bicubic, ours, original', sheet.png, sheet.width, sheet.height)
    await mkdir(join(folder, 'samples'), { recursive: true }).catch(error => {
      throw writeError(error, folder)
    })
    await writeAtomic(join(folder, 'samples', `step-${String(step).padStart(8, '0')}.png`), sheet.png)
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

/** Steps per second over the last half minute or so, and the share of it spent waiting for data. Time off (validation, checkpoints) is not counted. */
function stopwatch() {
  let from = performance.now()
  let waited = 0
  let steps = 0
  let pausedAt = 0
  let rate = { stepsPerSecond: 0, waiting: 0 }
  return {
    waited: (milliseconds: number) => (waited += milliseconds),
    stepped() {
      steps++
      const elapsed = performance.now() - from
      rate = { stepsPerSecond: (steps * 1000) / elapsed, waiting: waited / elapsed }
      if (elapsed < 30_000) return
      // Half the window is forgotten, so the figure follows the machine without jumping.
      from += elapsed / 2
      steps /= 2
      waited /= 2
    },
    pause: () => (pausedAt = performance.now()),
    resume: () => (from += performance.now() - pausedAt),
    read: () => rate,
  }
}

/** A killed run may have logged steps past its last checkpoint; they will come again. */
async function dropLaterLines(path: string, step: number): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const kept = text.split('\n').filter(line => {
    try {
      return (JSON.parse(line) as { step: number }).step <= step
    } catch {
      return false
    }
  })
  if (text !== '') await writeAtomic(path, kept.map(line => `${line}\n`).join(''))
}
