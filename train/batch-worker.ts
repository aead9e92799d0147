import { parentPort, workerData } from 'node:worker_threads'
import sharp from 'sharp'
import { type PlainError, plainError, UprezError } from '../errors.js'
import { loadPair, type Source } from './pairs.js'
import { cutPatch, type Pair, randomPlace } from './patch.js'
import { integer, randomAt } from './random.js'

export interface BatchOrder {
  sources: Source[]
  scale: number
  patch: number
  batch: number
  seed: number
  cacheMb: number
}

export type BatchMessage =
  | { step: number; low: Float32Array<ArrayBuffer>; high: Float32Array<ArrayBuffer> }
  | { step: number; error: PlainError }
  | { skipped: string; reason: string }

const order = workerData as BatchOrder
const port = parentPort!
const broken = new Set<string>()
/** Decoded pictures, the one longest unused first. */
const cache = new Map<string, { pair: Promise<Pair>; bytes: number }>()
let cachedBytes = 0
// Decoding shares the cores with training; one thread of libvips is enough to stay ahead.
sharp.concurrency(1)

let closing = false
let queue = Promise.resolve()
port.on('message', (step: number | 'close') => {
  if (step === 'close') {
    // The worker ends by itself, between two batches: ended from outside, it could take a decoder down in mid-picture.
    closing = true
    queue.then(() => port.close())
  } else queue = queue.then(() => (closing ? undefined : makeBatch(step)))
})

async function makeBatch(step: number): Promise<void> {
  const { patch, scale, batch } = order
  const side = patch * scale
  try {
    const low = new Float32Array(batch * patch * patch * 3)
    const high = new Float32Array(batch * side * side * 3)
    await Promise.all(
      Array.from({ length: batch }, async (_, index) => {
        const random = randomAt(order.seed, step, index)
        const pair = await choosePair(random)
        const { x, y, symmetry } = randomPlace(random, pair.low, patch)
        cutPatch(pair.low, x, y, patch, symmetry, low, index * patch * patch * 3)
        cutPatch(pair.high, x * scale, y * scale, side, symmetry, high, index * side * side * 3)
      }),
    )
    port.postMessage({ step, low, high } satisfies BatchMessage, [low.buffer, high.buffer])
  } catch (error) {
    port.postMessage({ step, error: plainError(error) } satisfies BatchMessage)
  }
}

/** A file that cannot be decoded is reported and another is drawn: still a function of (seed, step, index) and the files. */
async function choosePair(random: () => number): Promise<Pair> {
  while (broken.size < order.sources.length) {
    const source = order.sources[integer(random, order.sources.length)]!
    if (broken.has(source.path)) continue
    try {
      return await cachedPair(source)
    } catch (error) {
      if (!broken.has(source.path)) {
        port.postMessage({ skipped: source.path, reason: (error as Error).message.split('\n')[0]! } satisfies BatchMessage)
      }
      broken.add(source.path)
      forget(source.path)
    }
  }
  throw new UprezError('no-images', 'none of the training images can be decoded', { param: '--data' })
}

function cachedPair({ path, width, height }: Source): Promise<Pair> {
  const known = cache.get(path)
  if (known) {
    cache.delete(path)
    cache.set(path, known)
    return known.pair
  }
  const pair = loadPair(path, order.scale)
  const bytes = width * height * 3 * (1 + 1 / order.scale ** 2)
  cache.set(path, { pair, bytes })
  cachedBytes += bytes
  for (const oldest of cache.keys()) {
    if (cachedBytes <= order.cacheMb * 2 ** 20) break
    forget(oldest)
  }
  return pair
}

function forget(path: string): void {
  cachedBytes -= cache.get(path)?.bytes ?? 0
  cache.delete(path)
}
