import { parentPort, workerData } from 'node:worker_threads'
import sharp from 'sharp'
import { type PlainError, plainError } from '../errors.js'
import { cutPatch } from './patch.js'
import { createSampler, type SampleOrder } from './sampler.js'

/** What a worker makes: the samples `from` ≤ index < `to` of every batch. */
export interface WorkerOrder extends SampleOrder {
  from: number
  to: number
  cacheBytes: number
}

export type BatchMessage =
  | { step: number; low: Float32Array<ArrayBuffer>; high: Float32Array<ArrayBuffer> }
  | { step: number; error: PlainError }
  | { skipped: string; reason: string }

const order = workerData as WorkerOrder
const port = parentPort!
const say = (message: BatchMessage, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer)
const sampler = createSampler(order, order.cacheBytes, (skipped, reason) => say({ skipped, reason }))
// Decoding shares the cores with training; one thread of libvips is enough to stay ahead. What it would keep is never asked for again.
sharp.concurrency(1)
sharp.cache(false)

/** Batches are made beside each other, so that one goes on while another waits for a codec. */
const lanes = [0, 1, 2].map(() => Promise.resolve())
let closing = false
port.on('message', (step: number | 'close') => {
  if (step === 'close') {
    // The worker ends by itself, between two batches: ended from outside, it could take a decoder down in mid-picture.
    closing = true
    Promise.all(lanes).then(() => port.close())
  } else {
    const lane = step % lanes.length
    lanes[lane] = lanes[lane]!.then(() => (closing ? undefined : makePart(step)))
  }
})

async function makePart(step: number): Promise<void> {
  const { patch, scale, from, to } = order
  const side = patch * scale
  try {
    const low = new Float32Array((to - from) * patch * patch * 3)
    const high = new Float32Array((to - from) * side * side * 3)
    await Promise.all(
      Array.from({ length: to - from }, async (_, i) => {
        const { pair, place } = await sampler.draw(step, from + i)
        const { x, y, symmetry } = place
        cutPatch(pair.low, x, y, patch, symmetry, low, i * patch * patch * 3)
        cutPatch(pair.high, x * scale, y * scale, side, symmetry, high, i * side * side * 3)
      }),
    )
    say({ step, low, high }, [low.buffer, high.buffer])
  } catch (error) {
    say({ step, error: plainError(error) })
  }
}
