import type { Estimate } from './estimate.js'
import type { Failure, Plan, Task } from './plan.js'
import { inTime } from './progress.js'
import type { Made } from './run.js'
import { inUnits } from './space.js'
import type { Skipped } from './walk.js'

/** Files left alone that are named on the screen; `--dry-run` and `--json` name all. */
const LISTED = 20

/** The lines before the first tile: what is left alone, what is done, what the rest will need. */
export function planLines({ tasks, done, skipped }: Plan, estimate: Estimate | undefined, all: boolean): string[] {
  return [...skippedLines(skipped, all ? skipped.length : LISTED), ...doneLines(done), ...(estimate ? estimateLines(estimate, tasks) : [])]
}

/** What a dry run prints: every picture with its output. */
export function taskLines(tasks: readonly Task[]): string[] {
  return tasks.map(({ source, output, target, entry: { header }, replaces }) => {
    const to = `${target.width}×${target.height}`
    return `${source.path} → ${output} (${header.width}×${header.height} → ${to}${replaces ? ', replaces what is there' : ''})`
  })
}

/** How a command ended. */
export interface Outcome {
  plan: Plan
  estimate: Estimate | undefined
  made: readonly Made[]
  failures: readonly Failure[]
  seconds: number
  stopped: boolean
}

/** A line for every failure, as the command line prints errors. */
export function failureLines({ failures }: Outcome): string[] {
  return failures.map(({ path, error }) => `uprez: ${error.code}: ${error.message.includes(path) ? '' : `${path}: `}${error.message}`)
}

/** How many were made, failed or are left. */
export function summaryLines({ plan, made, failures, seconds, stopped }: Outcome): string[] {
  const left = plan.tasks.length - made.length - (failures.length - plan.failures.length)
  const counts = [
    `${made.length} made`,
    ...(plan.done.length > 0 ? [`${plan.done.length} done before`] : []),
    ...(failures.length > 0 ? [`${failures.length} failed`] : []),
    ...(left > 0 ? [`${left} left`] : []),
  ]
  return [`${counts.join(', ')} in ${inTime(seconds)}`, ...(stopped ? ['stopped; the same command goes on where this one ended'] : [])]
}

/** What `--json` prints: one document. */
export function jsonReport({ plan, estimate, made, failures, stopped }: Outcome): string {
  const document = {
    estimate: estimate ?? null,
    planned: plan.tasks.map(task => ({ ...pictureOf(task), replaces: task.replaces })),
    done: plan.done.map(pictureOf),
    made: made.map(({ task: { source, output }, result }) => {
      const { width, height, format, model, provider, milliseconds } = result
      return { input: source.path, output, width, height, format, model, provider, milliseconds: Math.round(milliseconds) }
    }),
    skipped: plan.skipped,
    failed: failures.map(({ path, error }) => ({ path, code: error.code, message: error.message })),
    stopped,
  }
  return JSON.stringify(document, undefined, 2)
}

function pictureOf({ source, output, target, entry: { header, recipe } }: Task) {
  const { model, scale = null, format } = recipe
  return { input: source.path, output, width: header.width, height: header.height, target, model, scale, format }
}

function skippedLines(skipped: readonly Skipped[], count: number): string[] {
  const lines = skipped.slice(0, count).map(({ path, reason }) => `left alone: ${path} (${reason})`)
  return skipped.length > count ? [...lines, `left alone: ${skipped.length - count} more (--dry-run names them)`] : lines
}

function doneLines(done: readonly Task[]): string[] {
  return done.length === 0 ? [] : [`${pictures(done.length)} done before`]
}

function estimateLines({ inputPixels, outputPixels, bytes, seconds, measured }: Estimate, tasks: readonly Task[]): string[] {
  const replaced = tasks.filter(task => task.replaces).length
  const time = measured
    ? `about ${inTime(seconds)} (measured on a sample)`
    : `about ${inTime(seconds)} (guessed from the size of the model)`
  return [
    `${pictures(tasks.length)} to make, ${inPixels(inputPixels)} → ${inPixels(outputPixels)}: ${time}, about ${inUnits(bytes)}`,
    ...(replaced > 0 ? [`${pictures(replaced)} will replace what is there`] : []),
  ]
}

function pictures(count: number): string {
  return count === 1 ? '1 picture' : `${count} pictures`
}

function inPixels(pixels: number): string {
  return pixels < 1e5 ? `${Math.round(pixels)} pixels` : `${(pixels / 1e6).toFixed(1)} MP`
}
