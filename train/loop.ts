import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UprezError } from '../errors.js'
import type { Tf } from '../nets/engine.js'
import { openBatches } from './batches.js'
import { loadCheckpoint, type Progress, saveCheckpoint, writeAtomically } from './checkpoint.js'
import type { Config } from './config.js'
import { openEvents } from './events.js'
import { saveGenerator } from './generator-folder.js'
import { findSources, loadPair } from './pairs.js'
import type { Recipe } from './recipe.js'
import { sampleSheet, validate } from './validate.js'

/** What the loop tells whoever watches. */
export interface Report {
  /** A line for a person. */
  say(line: string): void
  /** Called after every step. */
  step(status: { step: number; steps: number; loss: number; stepsPerSecond: number; waiting: number; best: Progress['best'] }): void
}

const SHEET_ROWS = 4

/**
 * Trains until the last step of the schedule or an abort; both leave a checkpoint and a generator behind.
 * @param folder the run folder; holds `config.json` already
 * @param resume go on from the newest checkpoint
 * @returns the steps done
 * @throws UprezError `diverged` when a loss is no number any more; the last good checkpoint stands
 */
export async function train(tf: Tf, config: Config, recipe: Recipe, folder: string, resume: boolean, report: Report, signal: AbortSignal): Promise<number> {
  const { scale, data, every, schedule } = config
  const sources = await findSources(data.folders, scale, data.patch, data.validation)
  for (const { path, reason } of sources.skipped) report.say(`left out ${path}: ${reason}`)
  report.say(`${sources.training.length} images to train on, ${sources.validation.length} kept for validation`)
  const pairs = await Promise.all(sources.validation.map(({ path }) => loadPair(path, scale)))
  const generator = recipe.networks[recipe.exportable]!
  const optimizer = recipe.optimizers[recipe.exportable]!

  let progress: Progress = resume ? await loadCheckpoint(join(folder, 'checkpoint'), recipe) : { step: 0, best: null }
  const metrics = join(folder, 'metrics.jsonl')
  await dropLaterLines(metrics, progress.step)
  const events = openEvents(folder)
  const batches = openBatches({ ...data, scale, seed: config.seed, sources: sources.training }, progress.step + 1, (path, reason) => report.say(`left out ${path}: ${reason}`))
  const clock = stopwatch()

  try {
    while (progress.step < schedule.steps && !signal.aborted) {
      const step = progress.step + 1
      const waitFrom = performance.now()
      const batch = await batches.next(step)
      clock.waited(performance.now() - waitFrom)
      const values = await recipe.step(batch, step)
      guard(values, step)
      progress = { ...progress, step }
      clock.stepped()
      report.step({ step, steps: schedule.steps, loss: Object.values(values)[0]!, ...clock.read(), best: progress.best })

      if (step % every.log === 0) await log(step, { ...values, 'steps per second': clock.read().stepsPerSecond, 'data wait': clock.read().waiting })
      if (pairs.length > 0 && (step % every.validate === 0 || step === schedule.steps)) {
        clock.pause()
        await optimizer.withAverage(async () => {
          const scores = await validate(tf, generator, pairs, scale)
          if (!progress.best || scores.psnrY > progress.best.psnrY) progress = { step, best: { psnrY: scores.psnrY, step } }
          await log(step, { 'validation/PSNR-Y': scores.psnrY, 'validation/SSIM-Y': scores.ssimY })
          report.say(`step ${step}: validation PSNR-Y ${scores.psnrY.toFixed(3)} dB, SSIM-Y ${scores.ssimY.toFixed(4)}`)
          await saveSheet(step)
        })
        clock.resume()
      }
      if (step % every.checkpoint === 0 || step === schedule.steps) await checkpoint()
    }
    if (signal.aborted) await checkpoint()
    return progress.step
  } finally {
    await batches.close()
    await events.close()
  }

  async function checkpoint(): Promise<void> {
    clock.pause()
    await saveCheckpoint(join(folder, 'checkpoint'), recipe, progress)
    await optimizer.withAverage(() => saveGenerator(generator, config, progress.step, sources.training.length, join(folder, 'generator')))
    clock.resume()
  }

  async function log(step: number, values: Record<string, number>): Promise<void> {
    events.scalars(step, values)
    await appendFile(metrics, `${JSON.stringify({ step, ...values })}\n`)
  }

  async function saveSheet(step: number): Promise<void> {
    const side = Math.min(240, ...pairs.map(({ high }) => Math.min(high.width, high.height)))
    const sheet = await sampleSheet(tf, generator, pairs.slice(0, SHEET_ROWS), scale, side)
    events.picture(step, 'samples: low, bicubic, ours, original', sheet.png, sheet.width, sheet.height)
    await mkdir(join(folder, 'samples'), { recursive: true })
    await writeAtomically(join(folder, 'samples', `step-${String(step).padStart(8, '0')}.png`), sheet.png)
  }
}

function guard(values: Record<string, number>, step: number): void {
  const bad = Object.entries(values).find(([, value]) => !Number.isFinite(value))
  if (!bad) return
  throw new UprezError('diverged', `${bad[0]} became ${bad[1]} at step ${step}; the last checkpoint is kept: resume it with a lower learning rate`, {
    param: bad[0],
    expected: 'a finite number',
    got: String(bad[1]),
  })
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
  if (text !== '') await writeAtomically(path, kept.map(line => `${line}\n`).join(''))
}
