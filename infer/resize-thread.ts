import { parentPort } from 'node:worker_threads'
import { resize } from '../image/resize.js'
import type { FromResizer, ToResizer } from './resizer.js'

/** Resizes one picture after the other. See resizer.ts for the other side. */

const port = parentPort!

port.on('message', ({ id, image, to }: ToResizer) => {
  const resized = resize(image, to)
  port.postMessage({ id, image: resized } satisfies FromResizer, [resized.data.buffer as ArrayBuffer])
})
