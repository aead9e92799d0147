import { UprezError } from '../errors.js'

/** A share of something that all jobs of a process draw on (here: pixels in memory). */
export interface Budget {
  /**
   * Waits until so much is free; the answer gives it back. More than there is counts as all there is.
   * @throws UprezError `aborted`
   */
  take(amount: number, signal: AbortSignal): Promise<() => void>
}

/** Small amounts (a sixteenth) pass at once: a few of them are no danger, and they shall not wait for a huge one. */
export function createBudget(total: number): Budget {
  const waiting: { amount: number; grant: () => void }[] = []
  let free = total

  return {
    take: (asked, signal) =>
      new Promise((resolve, reject) => {
        const amount = Math.min(asked, total)
        if (amount <= total / 16) return resolve(() => {})
        const grant = () => {
          signal.removeEventListener('abort', leave)
          free -= amount
          resolve(() => {
            free += amount
            serve()
          })
        }
        const entry = { amount, grant }
        const leave = () => {
          waiting.splice(waiting.indexOf(entry), 1)
          reject(new UprezError('aborted', 'The work was cancelled'))
          serve()
        }
        if (signal.aborted) return reject(new UprezError('aborted', 'The work was cancelled'))
        signal.addEventListener('abort', leave, { once: true })
        waiting.push(entry)
        serve()
      }),
  }

  // First come, first served, or a huge one would wait for ever.
  function serve(): void {
    while (waiting.length > 0 && waiting[0]!.amount <= free) waiting.shift()!.grant()
  }
}
