import type { Best } from './checkpoint.js'
import { formatDuration } from './duration.js'
import type { Pace } from './stopwatch.js'

/** What a run tells whoever watches. */
export interface Report {
  /** A line for a person. */
  say(line: string): void
  /** Before each of many like pieces of work, none of them a step. */
  busy(what: string, done: number, total: number): void
  /** After every step. */
  step(status: Status): void
}

export interface Status extends Pace {
  step: number
  steps: number
  /** What the step has told; the losses among it are shown. */
  values: Record<string, number>
  best: Best | null
}

/** Where nobody watches a terminal, a line now and then. */
const LOG_EVERY_MS = 30_000

/** Reports to stderr: one line that renews itself in a terminal, a line every half minute elsewhere. */
export function terminalReport(): Report {
  const live = process.stderr.isTTY
  let shownAt = Number.NEGATIVE_INFINITY
  const show = (line: string, always: boolean) => {
    const now = performance.now()
    if (now - shownAt < (live ? 200 : LOG_EVERY_MS) && !always) return
    shownAt = now
    process.stderr.write(live ? `\r\x1b[K${line}` : `${line}\n`)
  }
  return {
    say(line) {
      if (live) process.stderr.write('\r\x1b[K')
      process.stderr.write(`${line}\n`)
    },
    busy(what, done, total) {
      // Elsewhere than in a terminal, the first such line comes when it has taken a while.
      if (!live && shownAt === Number.NEGATIVE_INFINITY) shownAt = performance.now()
      show(`${what} ${done}/${total}`, false)
    },
    step({ step, steps, values, stepsPerSecond, waiting, best }) {
      const losses = Object.entries(values).filter(([name]) => name.startsWith('loss/'))
      const parts = [
        `step ${step}/${steps}`,
        ...losses.map(([name, value]) => `${name.slice('loss/'.length)} ${value.toPrecision(4)}`),
        `${stepsPerSecond.toFixed(2)} steps/s`,
        `data wait ${(waiting * 100).toFixed(0)}%`,
        `${formatDuration((steps - step) / stepsPerSecond)} left`,
        ...(best ? [`best ${best.metric} ${best.value.toPrecision(4)} at ${best.step}`] : []),
      ]
      show(parts.join('  '), step === steps)
      if (live && step === steps) process.stderr.write('\n')
    },
  }
}
