/** Time, as the server needs it. Tests have their own. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** @returns what calls it off */
  after(milliseconds: number, run: () => void): () => void
}

/** Its timers keep no process alive. */
export const wallClock: Clock = {
  now: () => Date.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds).unref()
    return () => clearTimeout(timer)
  },
}
