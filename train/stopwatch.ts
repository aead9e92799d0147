/** How fast a run goes. */
export interface Pace {
  stepsPerSecond: number
  /** Share of the time spent waiting for data. */
  waiting: number
}

export interface Stopwatch {
  /** Counts the time until the data is there as waiting. */
  wait<T>(data: Promise<T>): Promise<T>
  stepped(): void
  /** Time off (validation, checkpoints) is not counted. */
  pause<T>(work: () => Promise<T>): Promise<T>
  read(): Pace
}

/** Measures over the last half minute or so. */
export function stopwatch(): Stopwatch {
  let from = performance.now()
  let waited = 0
  let steps = 0
  let pace: Pace = { stepsPerSecond: 0, waiting: 0 }
  return {
    async wait(data) {
      const start = performance.now()
      const result = await data
      waited += performance.now() - start
      return result
    },
    stepped() {
      steps++
      const elapsed = performance.now() - from
      pace = { stepsPerSecond: (steps * 1000) / elapsed, waiting: waited / elapsed }
      if (elapsed < 30_000) return
      // Half the window is forgotten, so the figure follows the machine without jumping.
      from += elapsed / 2
      steps /= 2
      waited /= 2
    },
    async pause(work) {
      const start = performance.now()
      const result = await work()
      from += performance.now() - start
      return result
    },
    read: () => pace,
  }
}
