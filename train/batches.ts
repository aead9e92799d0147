import { Worker } from 'node:worker_threads'
import { plainError, reviveError } from '../errors.js'
import type { BatchMessage, BatchOrder } from './batch-worker.js'

/** One training batch, floats in [0,1], NHWC. */
export interface Batch {
  /** [batch, patch, patch, 3] */
  low: Float32Array
  /** [batch, patch·scale, patch·scale, 3] */
  high: Float32Array
}

export interface BatchStream {
  /** The batch of a step; steps must be asked for in order. */
  next(step: number): Promise<Batch>
  close(): Promise<void>
}

/** How many batches are made ahead: enough to hide an image that is decoded for the first time. */
const AHEAD = 6

/**
 * Makes batches in a worker thread, ahead of the training thread. A batch depends on (seed, step) and the files alone.
 * @param first the step of the first batch that will be asked for
 * @param onSkip told of files that turn out to be unreadable
 */
export function openBatches(order: BatchOrder, first: number, onSkip: (path: string, reason: string) => void): BatchStream {
  const worker = new Worker(new URL('./batch-worker.js', import.meta.url), { workerData: order })
  const waiting = new Map<number, { resolve: (batch: Batch) => void; reject: (error: unknown) => void }>()
  const ready = new Map<number, Promise<Batch>>()
  let failure: unknown
  let asked = first - 1

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

  function ask(step: number): void {
    const batch = new Promise<Batch>((resolve, reject) => {
      if (failure) reject(failure)
      else waiting.set(step, { resolve, reject })
    })
    batch.catch(() => {}) // reported to whoever takes it
    ready.set(step, batch)
    worker.postMessage(step)
  }

  return {
    next(step) {
      while (asked < step + AHEAD) ask(++asked)
      const batch = ready.get(step)!
      ready.delete(step)
      return batch
    },
    async close() {
      worker.postMessage('close')
      await gone
    },
  }
}
