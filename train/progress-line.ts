/** What a run tells whoever watches. */
export interface Report {
  /** A line for a person. */
  say(line: string): void
  /** Before each of many like pieces of work, none of them a step. */
  busy(what: string, done: number, total: number): void
  /** After every step. */
  step(status: Status): void
}

export interface Status {
  step: number
  steps: number
  loss: number
  stepsPerSecond: number
  /** Share of the time spent waiting for data. */
  waiting: number
  best: { psnrY: number; step: number } | null
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
    step({ step, steps, loss, stepsPerSecond, waiting, best }) {
      const parts = [
        `step ${step}/${steps}`,
        `loss ${loss.toPrecision(4)}`,
        `${stepsPerSecond.toFixed(2)} steps/s`,
        `data wait ${(waiting * 100).toFixed(0)}%`,
        `${duration((steps - step) / stepsPerSecond)} left`,
        ...(best ? [`best ${best.psnrY.toFixed(2)} dB at ${best.step}`] : []),
      ]
      show(parts.join('  '), step === steps)
      if (live && step === steps) process.stderr.write('\n')
    },
  }
}

/** 65 → `1m05s`. */
function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  const s = Math.round(seconds)
  const two = (value: number) => String(value).padStart(2, '0')
  if (s < 60) return `${s}s`
  return s < 3600 ? `${Math.floor(s / 60)}m${two(s % 60)}s` : `${Math.floor(s / 3600)}h${two(Math.floor((s % 3600) / 60))}m`
}
