import { parentPort, workerData } from 'node:worker_threads'
import type { Image } from '../image/image.js'
import { decodeByHand, encodeByHand } from './codec.js'
import { grey, openSession, runSession } from './hand-loop.js'

/** A worker thread of the hand-written loop. */

export type ToHandThread =
  | { kind: 'infer'; image: Image }
  | { kind: 'picture'; bytes: Uint8Array; format: 'jpg' | 'png' }
  | { kind: 'windows'; count: number; width: number; height: number }

export interface FromHandThread {
  id: number
  image?: Image
  bytes?: Uint8Array
}

const port = parentPort!
const session = openSession(workerData as string, 1)

port.on('message', async (message: { id: number; work: ToHandThread } | null) => {
  if (message === null) return port.close()
  const { id, work } = message
  if (work.kind === 'infer') {
    const image = await runSession(await session, work.image)
    port.postMessage({ id, image } satisfies FromHandThread, [image.data.buffer as ArrayBuffer])
  } else if (work.kind === 'picture') {
    const bytes = await encodeByHand(await runSession(await session, await decodeByHand(work.bytes)), work.format)
    port.postMessage({ id, bytes } satisfies FromHandThread)
  } else {
    const window = grey(work.width, work.height)
    for (let i = 0; i < work.count; i++) await runSession(await session, window)
    port.postMessage({ id } satisfies FromHandThread)
  }
})
