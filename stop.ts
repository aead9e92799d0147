/** The exit codes that shells know for these signals. */
const CODES = { SIGINT: 130, SIGTERM: 143 } as const

/** Milliseconds in which signals count as one: npm hands on to its child what the terminal has sent to both already. */
const ONE_PRESS = 300

export interface Stop {
  signal: AbortSignal
  /** What to exit with; undefined while nobody asked to stop. */
  readonly exitCode: number | undefined
  /** Gives the signals back to Node; not once one was heard, or the second of one press would end what the first has asked to end well. */
  release(): void
}

/**
 * Turns the first Ctrl-C (or SIGTERM) into an abort, and the second into an end on the spot.
 * @param onFirst says so to the user
 * @param onSecond the last thing that runs
 */
export function listenForStop(onFirst: () => void, onSecond: () => void = () => {}): Stop {
  const controller = new AbortController()
  let exitCode: number | undefined
  let first = 0
  const hear = (name: NodeJS.Signals) => {
    const code = CODES[name as keyof typeof CODES]
    if (exitCode !== undefined) {
      if (performance.now() - first < ONE_PRESS) return
      onSecond()
      process.exit(code)
    }
    first = performance.now()
    exitCode = code
    onFirst()
    controller.abort()
  }
  const names = Object.keys(CODES) as NodeJS.Signals[]
  for (const name of names) process.on(name, hear)
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode
    },
    release: () => {
      if (exitCode !== undefined) return
      for (const name of names) process.off(name, hear)
    },
  }
}
