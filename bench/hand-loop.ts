import '../no-telemetry.js'
import { Worker } from 'node:worker_threads'
import * as ort from 'onnxruntime-node'
import type { Image } from '../image/image.js'
import { decodeByHand, encodeByHand } from './codec.js'
import type { FromHandThread, ToHandThread } from './hand-thread.js'

/**
 * What somebody writes who needs no server: sharp decodes, ONNX Runtime runs the whole picture, sharp encodes. There are three
 * ways to use several cores, and which is fastest depends on the machine:
 *
 *   session   one session with as many threads, in the main thread
 *   workers   worker threads with a session of one thread each; the main thread decodes and encodes
 *   whole     worker threads that each do everything for a picture
 */
export const STYLES = ['session', 'workers', 'whole'] as const
export type Style = (typeof STYLES)[number]

export interface HandLoop {
  picture(bytes: Uint8Array, format: 'jpg' | 'png'): Promise<Uint8Array>
  /** Runs the session `count` times on a window of that size: nothing but ONNX Runtime. */
  windows(count: number, width: number, height: number): Promise<void>
  close(): void
}

/** @param model a uint8 NHWC graph with one input and one output */
export async function openHandLoop(style: Style, threads: number, model: string): Promise<HandLoop> {
  return style === 'session' ? inOneSession(threads, model) : inWorkers(style, threads, model)
}

async function inOneSession(threads: number, model: string): Promise<HandLoop> {
  const session = await openSession(model, threads)
  return {
    picture: async (bytes, format) => encodeByHand(await runSession(session, await decodeByHand(bytes)), format),
    async windows(count, width, height) {
      const window = grey(width, height)
      for (let i = 0; i < count; i++) await runSession(session, window)
    },
    close: () => {},
  }
}

async function inWorkers(style: 'workers' | 'whole', threads: number, model: string): Promise<HandLoop> {
  const workers = Array.from({ length: threads }, () => new Worker(new URL('./hand-thread.js', import.meta.url), { workerData: model }))
  const load = workers.map(() => 0)
  const waiting = new Map<number, (answer: FromHandThread) => void>()
  let last = 0
  for (const worker of workers) worker.on('message', (answer: FromHandThread) => waiting.get(answer.id)!(answer))
  await Promise.all(workers.map((_, i) => ask(i, { kind: 'windows', count: 1, width: 64, height: 64 })))

  return {
    async picture(bytes, format) {
      const free = load.indexOf(Math.min(...load))
      if (style === 'whole') return (await ask(free, { kind: 'picture', bytes, format })).bytes!
      return encodeByHand((await ask(free, { kind: 'infer', image: await decodeByHand(bytes) })).image!, format)
    },
    async windows(count, width, height) {
      const shares = workers.map((_, i) => Math.floor((count + i) / threads))
      await Promise.all(shares.map((share, i) => ask(i, { kind: 'windows', count: share, width, height })))
    },
    close() {
      for (const worker of workers) worker.postMessage(null)
    },
  }

  async function ask(index: number, work: ToHandThread): Promise<FromHandThread> {
    const id = ++last
    load[index]!++
    const answer = new Promise<FromHandThread>(resolve => waiting.set(id, resolve))
    workers[index]!.postMessage({ id, work })
    const done = await answer
    waiting.delete(id)
    load[index]!--
    return done
  }
}

export function openSession(model: string, threads: number): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(model, { executionProviders: ['cpu'], intraOpNumThreads: threads })
}

export async function runSession(session: ort.InferenceSession, image: Image): Promise<Image> {
  const input = new ort.Tensor('uint8', image.data, [1, image.height, image.width, 3])
  const output = (await session.run({ [session.inputNames[0]!]: input }))[session.outputNames[0]!]!
  return { data: output.data as Uint8Array, width: output.dims[2]!, height: output.dims[1]!, channels: 3 }
}

export function grey(width: number, height: number): Image {
  return { data: new Uint8Array(width * height * 3).fill(128), width, height, channels: 3 }
}
