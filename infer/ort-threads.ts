import '../no-telemetry.js'
import { Worker } from 'node:worker_threads'
import { reviveError } from '../errors.js'
import type { Image } from '../image/image.js'
import type { GraphFile } from '../models/card.js'
import type { FromThread, ToThread } from './ort-thread.js'

/**
 * ONNX Runtime in worker threads, each with one session per model and one core: as fast as processes, and the thread that
 * decodes and encodes stays free. A thread is never terminated, which would abort the process during a run.
 */
export interface OrtThreads {
  /** Windows that may be under way: one computes in each thread, one lies ready so that no thread waits for this one. */
  places: number
  /** Creates the model's session in every thread. Rejects where ONNX Runtime refuses the file. */
  load(model: string, graph: GraphFile, file: Uint8Array): Promise<void>
  /** Runs one window; its buffer is moved away. */
  run(model: string, window: Image): Promise<Image>
  /** Resolves when every thread has ended, after the windows under way. */
  close(): Promise<void>
}

interface Thread {
  worker: Worker
  load: number
}

interface Question {
  resolve: (answer: Image | undefined) => void
  reject: (reason: Error) => void
}

export function startThreads(count: number): OrtThreads {
  const questions = new Map<number, Question>()
  const threads: Thread[] = Array.from({ length: count }, () => ({
    worker: new Worker(new URL('./ort-thread.js', import.meta.url)),
    load: 0,
  }))
  let lastId = 0

  for (const { worker } of threads) {
    worker.on('message', ({ id, image, error }: FromThread) => {
      const question = questions.get(id)!
      questions.delete(id)
      if (error) question.reject(reviveError(error))
      else question.resolve(image)
    })
    // What a thread throws by itself is a bug or a lack of memory: the process ends, its parent starts another.
    worker.on('error', error => {
      throw error
    })
  }

  return {
    places: count * 2,
    load: async (model, graph, file) => {
      await Promise.all(threads.map(thread => ask(thread, id => ({ kind: 'load', id, model, graph, file }))))
    },
    run: async (model, window) => {
      const thread = threads.reduce((least, other) => (other.load < least.load ? other : least))
      return (await ask(thread, id => ({ kind: 'run', id, model, window }), [window.data.buffer as ArrayBuffer]))!
    },
    close: async () => {
      await Promise.all(threads.map(({ worker }) => ended(worker)))
    },
  }

  function ask(thread: Thread, question: (id: number) => ToThread, moved: ArrayBuffer[] = []): Promise<Image | undefined> {
    return new Promise<Image | undefined>((resolve, reject) => {
      const id = ++lastId
      questions.set(id, { resolve, reject })
      thread.load++
      thread.worker.postMessage(question(id), moved)
    }).finally(() => {
      thread.load--
    })
  }
}

function ended(worker: Worker): Promise<void> {
  return new Promise(resolve => {
    worker.once('exit', () => resolve())
    worker.postMessage({ kind: 'close' } satisfies ToThread)
  })
}
