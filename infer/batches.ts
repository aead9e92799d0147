import type { Image, Pixels } from '../image/image.js'
import type { Begun } from './ort-threads.js'

/**
 * Makes runs of several windows out of those that come one by one, from whichever job: on a graphics card a run of eight costs little
 * more than a run of one. Windows go together that are for one model and of one size and depth.
 */
export interface Batches {
  /** Answers when the run that the window went along with has ended; its buffer is moved away. */
  run(model: string, window: Image<Pixels>, begun: Begun): Promise<Image<Pixels>>
}

export interface BatchOptions {
  /** Runs that may be under way. */
  places: number
  /** How many windows like this one go into one run of the model. */
  limit(model: string, window: Image<Pixels>): number
  /** Calls back after so many milliseconds. */
  after?(milliseconds: number, then: () => void): void
}

/** So long a window waits for others while there is a free place. */
export const FLUSH_MS = 3

interface Waiting {
  window: Image<Pixels>
  begun: Begun
  resolve(answer: Image<Pixels>): void
  reject(reason: unknown): void
}

interface Group {
  model: string
  limit: number
  waiting: Waiting[]
  /** It has waited long enough. */
  due: boolean
}

/** @param runTogether does one run: as many answers as windows, in their order */
export function createBatches(
  runTogether: (model: string, windows: Image<Pixels>[], begun: Begun) => Promise<Image<Pixels>[]>,
  { places, limit, after = (milliseconds, then) => void setTimeout(then, milliseconds) }: BatchOptions,
): Batches {
  // In the order in which they are served: who has been goes to the end.
  const groups = new Map<string, Group>()
  let busy = 0

  return {
    run: (model, window, begun) =>
      new Promise((resolve, reject) => {
        const key = `${model} ${window.width}×${window.height}×${window.channels} ${window.data.BYTES_PER_ELEMENT}`
        const group = groups.get(key) ?? open(key, { model, limit: limit(model, window), waiting: [], due: false })
        group.waiting.push({ window, begun, resolve, reject })
        serve()
      }),
  }

  function open(key: string, group: Group): Group {
    groups.set(key, group)
    after(FLUSH_MS, () => {
      group.due = true
      serve()
    })
    return group
  }

  function serve(): void {
    for (const [key, group] of groups) {
      if (busy >= places) return
      if (!group.due && group.waiting.length < group.limit) continue
      const taken = group.waiting.splice(0, group.limit)
      groups.delete(key)
      // The rest have waited as long, and are served in their turn.
      if (group.waiting.length > 0) groups.set(key, group)
      busy++
      void run(group, taken).finally(() => {
        busy--
        serve()
      })
    }
  }

  async function run({ model, limit }: Group, taken: Waiting[]): Promise<void> {
    const begun = () => {
      const ends = taken.map(({ begun }) => begun())
      return () => {
        for (const end of ends) end()
      }
    }
    try {
      const answers = await runTogether(model, padded(taken, limit), begun)
      for (const [i, { resolve }] of taken.entries()) resolve(answers[i]!)
    } catch (error) {
      for (const { reject } of taken) reject(error)
    }
  }
}

/** With copies of the last window up to a size that is known: a new one would be tuned anew, which takes as long as hundreds of runs. */
function padded(taken: readonly Waiting[], limit: number): Image<Pixels>[] {
  const windows = taken.map(({ window }) => window)
  const size = batchSizes(limit).find(size => size >= windows.length)!
  const last = windows.at(-1)!
  return [...windows, ...Array.from({ length: size - windows.length }, () => ({ ...last, data: last.data.slice() }))]
}

/** How many windows a run may have: the powers of two below the limit, and the limit. */
export function batchSizes(limit: number): number[] {
  const sizes: number[] = []
  for (let size = 1; size < limit; size *= 2) sizes.push(size)
  return [...sizes, limit]
}
