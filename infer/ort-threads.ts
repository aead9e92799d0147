import '../no-telemetry.js'
import { Worker } from 'node:worker_threads'
import { reviveError } from '../errors.js'
import type { Image, Pixels } from '../image/image.js'
import type { GraphFile } from '../models/card.js'
import type { FromThread, ThreadData, ToThread } from './ort-thread.js'
import { type Execution, ON_CPU } from './providers.js'

/**
 * ONNX Runtime in worker threads, each with one session per model and one core: as fast as processes, and the thread that
 * decodes and encodes stays free. A thread is never terminated, which would abort the process during a run.
 */
export interface OrtThreads {
  /** How many there are. */
  count: number
  /** Windows that may be under way: one computes in each thread, one lies ready so that no thread waits for this one. */
  places: number
  /**
   * On the CPU one thread more, for windows of at most EXPRESS_PIXELS that come while the others are busy: a window of a large picture
   * keeps a core for a second, and the operating system shares the cores more finely than that.
   */
  expressPlaces: number
  /** Creates the model's session in every thread. Rejects where ONNX Runtime refuses the file. */
  load(model: string, graph: GraphFile, file: Uint8Array, begun: Begun): Promise<void>
  /** Runs windows of one size and depth at once; their buffers are moved away. */
  run(model: string, windows: Image<Pixels>[], begun: Begun, lane?: 'usual' | 'express'): Promise<Image<Pixels>[]>
  /** Runs such windows once in every thread that does usual work, for what that leaves in memory. */
  warm(model: string, windows: () => Image<Pixels>[], begun: Begun): Promise<void>
  /** Gives the model's memory back, in every thread, after the windows under way. */
  release(model: string): Promise<void>
  /** Resolves when every thread has ended, after the windows under way. */
  close(): Promise<void>
}

export const EXPRESS_PIXELS = 128 * 128

/** Called when a thread begins with it; what comes back, when the thread has ended it. */
export type Begun = () => () => void

interface Thread {
  worker: Worker
  /** What it was given and has not answered, the one under way first. */
  line: Question[]
}

interface Question {
  id: number
  begun: Begun
  /** Undefined until it has begun. */
  ended: (() => void) | undefined
  resolve: (answer: Image<Pixels>[] | undefined) => void
  reject: (reason: Error) => void
}

/** @param count where no devices are named; else there is one for each */
export function startThreads(count: number, { provider, devices, runtime }: Execution = ON_CPU): OrtThreads {
  const onCores = devices.length === 0
  const numbers = onCores ? Array<number>(count).fill(0) : devices
  const start = (device: number): Thread => {
    const workerData: ThreadData = { executor: { provider, device }, runtime: runtime?.folder }
    return { worker: new Worker(new URL('./ort-thread.js', import.meta.url), { workerData }), line: [] }
  }
  const usual = numbers.map(start)
  const express = onCores ? [start(0)] : []
  const threads = [...usual, ...express]
  let lastId = 0

  for (const thread of threads) {
    thread.worker.on('message', (answer: FromThread) => answered(thread, answer))
    // What a thread throws by itself is a bug or a lack of memory: the process ends, its parent starts another.
    thread.worker.on('error', error => {
      throw error
    })
  }

  return {
    count: usual.length,
    places: usual.length * 2,
    expressPlaces: express.length * 2,
    load: async (model, graph, file, begun) => {
      await Promise.all(threads.map(thread => ask(thread, id => ({ kind: 'load', id, model, graph, file }), begun)))
    },
    run: async (model, windows, begun, lane = 'usual') => {
      const thread = (lane === 'express' ? express : usual).reduce((least, other) =>
        other.line.length < least.line.length ? other : least,
      )
      const moved = windows.map(({ data }) => data.buffer as ArrayBuffer)
      return (await ask(thread, id => ({ kind: 'run', id, model, windows }), begun, moved))!
    },
    warm: async (model, windows, begun) => {
      await Promise.all(usual.map(thread => ask(thread, id => ({ kind: 'run', id, model, windows: windows() }), begun)))
    },
    release: async model => {
      await Promise.all(threads.map(thread => ask(thread, id => ({ kind: 'release', id, model }), unnoticed)))
    },
    close: async () => {
      await Promise.all(threads.map(({ worker }) => ended(worker)))
    },
  }

  function ask(
    thread: Thread,
    question: (id: number) => ToThread,
    begun: Begun,
    moved: ArrayBuffer[] = [],
  ): Promise<Image<Pixels>[] | undefined> {
    return new Promise((resolve, reject) => {
      const id = ++lastId
      thread.line.push({ id, begun, ended: undefined, resolve, reject })
      thread.worker.postMessage(question(id), moved)
      begin(thread)
    })
  }
}

function answered(thread: Thread, { id, images, error }: FromThread): void {
  const [question] = thread.line.splice(
    thread.line.findIndex(question => question.id === id),
    1,
  )
  // The next has begun by now, so that a job with both is never seen without either.
  begin(thread)
  question!.ended?.()
  if (error) question!.reject(reviveError(error))
  else question!.resolve(images)
}

function begin({ line: [first] }: Thread): void {
  if (first) first.ended ??= first.begun()
}

const unnoticed: Begun = () => () => {}

function ended(worker: Worker): Promise<void> {
  return new Promise(resolve => {
    worker.once('exit', () => resolve())
    worker.postMessage({ kind: 'close' } satisfies ToThread)
  })
}
