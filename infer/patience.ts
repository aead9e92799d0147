/**
 * How long a job may give no sign of life, in units of the usual deadline (UPREZ_DEADLINE_MS, two minutes by default). The
 * parent kills a child whose job outlasts it, so a long step must say that it is long, and a job that waits for others must not
 * be taken for hung: the step it waits for is watched as well.
 */
export interface Patience {
  /** A step begins; what comes back ends it. `WAITING` = it waits for the steps of others. */
  begin(factor: number): () => void
  during<T>(factor: number, work: () => Promise<T>): Promise<T>
  /** From now on for what happens between the steps (default 1). */
  between(factor: number): void
}

/** Any time, as long as no other step of the job is under way. */
export const WAITING = 0

/**
 * @param tell is called at every change and every end of a step, with the factor for what is under way now; several changes
 * within one turn of the event loop are told as one
 */
export function createPatience(tell: (factor: number) => void): Patience {
  const steps: number[] = []
  let usual = 1
  let told = 1
  let alive = false
  let due = false

  const patience: Patience = {
    begin(factor) {
      steps.push(factor)
      changed(factor !== WAITING)
      return () => {
        steps.splice(steps.indexOf(factor), 1)
        changed(factor !== WAITING)
      }
    },
    async during(factor, work) {
      const end = patience.begin(factor)
      try {
        return await work()
      } finally {
        end()
      }
    },
    between(factor) {
      usual = factor
      changed(false)
    },
  }
  return patience

  function changed(lives: boolean): void {
    alive ||= lives
    if (due) return
    due = true
    queueMicrotask(() => {
      due = false
      const factor = steps.length === 0 ? usual : Math.max(...steps)
      if (alive || factor !== told) tell(factor)
      alive = false
      told = factor
    })
  }
}

/** Decoding, encoding, resizing: AVIF, the slowest, does this many pixels in a hundredth of two minutes on one core of today. */
const PIXELS_PER_DEADLINE = 10_000_000

/** One core of today does them in five to fifteen seconds. */
export const OPERATIONS_PER_DEADLINE = 1e12

export const pixelPatience = (pixels: number): number => Math.max(1, pixels / PIXELS_PER_DEADLINE)

/** Of one window's run. */
export const runPatience = (pixels: number, flopsPerPixel: number): number =>
  Math.max(1, (pixels * flopsPerPixel) / OPERATIONS_PER_DEADLINE)
