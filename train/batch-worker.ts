import { parentPort, workerData } from 'node:worker_threads'
import sharp from 'sharp'
import { plainError, type PlainError, UprezError } from '../errors.js'
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
const cache = new Map<string, Promise<Pair>>()
let cachedBytes = 0
// Decoding shares the cores with training; one thread of libvips is enough to stay ahead.
sharp.concurrency(1)

let queue = Promise.resolve()
port.on('message', (step: number) => {
  queue = queue.then(() => makeBatch(step))
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
      if (!broken.has(source.path)) port.postMessage({ skipped: source.path, reason: (error as Error).message.split('\n')[0]! } satisfies BatchMessage)
      broken.add(source.path)
    }
  }
  throw new UprezError('no-images', 'none of the training images can be decoded', { param: '--data' })
}

function cachedPair(source: Source): Promise<Pair> {
  const known = cache.get(source.path)
  if (known) {
    cache.delete(source.path)
    cache.set(source.path, known)
    return known
  }
  const pair = loadPair(source.path, order.scale)
  cache.set(source.path, pair)
  cachedBytes += bytesOf(source)
  for (const path of cache.keys()) {
    if (cachedBytes <= order.cacheMb * 2 ** 20 || path === source.path) break
    cache.delete(path)
    cachedBytes -= bytesOf(order.sources.find(other => other.path === path)!)
  }
  return pair
}

function bytesOf({ width, height }: Source): number {
  return width * height * 3 * (1 + 1 / order.scale ** 2)
}
