import { Worker } from 'node:worker_threads'
import type { Image, Pixels } from '../image/image.js'
import { type ResizeOptions, resize } from '../image/resize.js'

/** The final resize of large pictures takes seconds: a thread of its own does it, and the jobs beside go on. */
export interface Resizer {
  /** A large picture's buffer is moved away. */
  resize(image: Image<Pixels>, to: ResizeOptions): Promise<Image<Pixels>>
  /** Once no picture is under way. */
  close(): Promise<void>
}

export interface ToResizer {
  id: number
  image: Image<Pixels>
  to: ResizeOptions
}

export interface FromResizer {
  id: number
  image: Image<Pixels>
}

/** Below, it takes less than handing it over and a few frames of anybody's patience. */
const SMALL_PIXELS = 500_000

/** The thread starts with the first large picture. */
export function startResizer(): Resizer {
  const waiting = new Map<number, (image: Image<Pixels>) => void>()
  let worker: Worker | undefined
  let lastId = 0
  return {
    async resize(image, to) {
      if (image.width * image.height + to.width * to.height <= SMALL_PIXELS) return resize(image, to)
      worker ??= start()
      const id = ++lastId
      const thread = worker
      return new Promise(resolve => {
        waiting.set(id, resolve)
        thread.postMessage({ id, image, to } satisfies ToResizer, [image.data.buffer as ArrayBuffer])
      })
    },
    async close() {
      await worker?.terminate()
    },
  }

  function start(): Worker {
    const started = new Worker(new URL('./resize-thread.js', import.meta.url))
    started.on('message', ({ id, image }: FromResizer) => {
      waiting.get(id)!(image)
      waiting.delete(id)
    })
    // A bug or a lack of memory: the process ends, its parent starts another.
    started.on('error', error => {
      throw error
    })
    return started
  }
}
