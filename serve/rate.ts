/** How fast pictures are made, in megapixels per second of the time in which any was in work: an exponential average. */
export interface Rate {
  /** A picture goes into work. */
  begin(): void
  /** It is done with so many megapixels; 0 where it came to nothing. */
  end(megapixels: number): void
  /** Undefined until something was finished. */
  readonly perSecond: number | undefined
}

/** What lies so many seconds of work back counts for 1/e of what is done now. */
const MEMORY_SECONDS = 60

/** @param now in milliseconds */
export function createRate(now: () => number = () => performance.now()): Rate {
  let inWork = 0
  let since = 0
  let seconds = 0
  let done = 0

  return {
    begin() {
      elapse()
      inWork++
    },
    end(megapixels) {
      elapse()
      inWork--
      done += megapixels
    },
    get perSecond() {
      elapse()
      return done > 0 && seconds > 0 ? done / seconds : undefined
    },
  }

  function elapse(): void {
    const passed = inWork > 0 ? (now() - since) / 1000 : 0
    const kept = Math.exp(-passed / MEMORY_SECONDS)
    since = now()
    seconds = seconds * kept + passed
    done *= kept
  }
}
