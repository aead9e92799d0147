import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { plainError, reviveError } from '../errors.js'
import type { BatchMessage, WorkerOrder } from './batch-worker.js'
import type { Config } from './config.js'
import type { SampleOrder } from './sampler.js'
import type { Source } from './sources.js'

/** One training batch, floats in [0,1], NHWC. */
export interface Batch {
  /** [batch, patch, patch, 3] */
  low: Float32Array
  /** [batch, patch·scale, patch·scale, 3] */
  high: Float32Array
}

export interface BatchOrder extends SampleOrder {
  cacheMb: number
  /** Threads; 0: one, and one more for every four cores where low sides are degraded. Changes speed only. */
  workers: number
}

export interface BatchStream {
  /** The batch of a step; steps must be asked for in order. */
  next(step: number): Promise<Batch>
  close(): Promise<void>
}

/** How many batches are made ahead: enough to hide an image that is decoded for the first time. */
const AHEAD = 6

/** What a run's batches are made of. */
export function batchOrder({ data, scale, seed, degradation }: Config, sources: Source[]): BatchOrder {
  const { patch, batch, jitter, reuse, cacheMb, workers } = data
  return { sources, scale, seed, degradation, patch, batch, jitter, reuse, cacheMb, workers }
}

/**
 * Makes batches in worker threads, ahead of the training thread. A batch depends on the sample order, the step and the files alone.
 * @param first the step of the first batch that will be asked for
 * @param onSkip told of files that turn out to be unreadable
 */
export function openBatches(order: BatchOrder, first: number, onSkip: (path: string, reason: string) => void): BatchStream {
  const skipped = new Set<string>()
  const parts = shares(order).map(share =>
    openPart(share, (path, reason) => {
      if (!skipped.has(path)) onSkip(path, reason)
      skipped.add(path)
    }),
  )
  const ready = new Map<number, Promise<Batch>>()
  let asked = first - 1

  function ask(step: number): void {
    const batch = Promise.all(parts.map(part => part.ask(step))).then(joined)
    batch.catch(() => {}) // reported to whoever takes it
    ready.set(step, batch)
  }

  return {
    next(step) {
      while (asked < step + AHEAD) ask(++asked)
      const batch = ready.get(step)!
      ready.delete(step)
      return batch
    },
    async close() {
      await Promise.all(parts.map(part => part.close()))
    },
  }
}

/** Each worker makes its own samples of every batch, so that a crop is made, and kept, by one of them. */
function shares({ cacheMb, workers, ...order }: BatchOrder): WorkerOrder[] {
  const automatic = order.degradation.kind === 'bicubic' ? 1 : 1 + Math.floor(availableParallelism() / 4)
  const count = Math.min(workers || automatic, order.batch)
  const bound = (part: number) => Math.floor((part * order.batch) / count)
  return Array.from({ length: count }, (_, i) => ({
    ...order,
    from: bound(i),
    to: bound(i + 1),
    cacheBytes: (cacheMb * 2 ** 20) / count,
  }))
}

function joined(parts: Batch[]): Batch {
  if (parts.length === 1) return parts[0]!
  const join = (arrays: Float32Array[]) => {
    const whole = new Float32Array(arrays.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const array of arrays) {
      whole.set(array, at)
      at += array.length
    }
    return whole
  }
  return { low: join(parts.map(({ low }) => low)), high: join(parts.map(({ high }) => high)) }
}

/** One worker thread. */
function openPart(order: WorkerOrder, onSkip: (path: string, reason: string) => void) {
  const worker = new Worker(new URL('./batch-worker.js', import.meta.url), { workerData: order })
  const waiting = new Map<number, { resolve: (part: Batch) => void; reject: (error: unknown) => void }>()
  let failure: unknown

  worker.on('message', (message: BatchMessage) => {
    if ('skipped' in message) return onSkip(message.skipped, message.reason)
    const waiter = waiting.get(message.step)!
    waiting.delete(message.step)
    if ('error' in message) waiter.reject(reviveError(message.error))
    else waiter.resolve({ low: message.low, high: message.high })
  })
  worker.on('error', error => fail(error))
  const gone = new Promise<void>(resolve => {
    worker.on('exit', code => {
      fail(new Error(`the data worker ended with code ${code}`))
      resolve()
    })
  })

  function fail(error: unknown): void {
    failure ??= reviveError(plainError(error))
    for (const { reject } of waiting.values()) reject(failure)
    waiting.clear()
  }

  return {
    ask(step: number): Promise<Batch> {
      return new Promise((resolve, reject) => {
        if (failure) return reject(failure)
        waiting.set(step, { resolve, reject })
        worker.postMessage(step)
      })
    },
    async close(): Promise<void> {
      worker.postMessage('close')
      await gone
    },
  }
}
