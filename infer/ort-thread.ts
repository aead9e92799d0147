import { parentPort, workerData } from 'node:worker_threads'
import type { PlainError } from '../errors.js'
import { plainError } from '../errors.js'
import type { Image, Pixels } from '../image/image.js'
import type { GraphFile } from '../models/card.js'
import { type Executor, openRuntime, openSession, type Session } from './session.js'

/** One ONNX Runtime thread: answers windows one after the other. See ort-threads.ts for the other side. */

export type ToThread =
  | { kind: 'load'; id: number; model: string; graph: GraphFile; file: Uint8Array }
  | { kind: 'run'; id: number; model: string; windows: Image<Pixels>[] }
  | { kind: 'release'; id: number; model: string }
  | { kind: 'close' }

export interface FromThread {
  id: number
  images?: Image<Pixels>[]
  error?: PlainError
}

/** What a thread is started with. */
export interface ThreadData {
  executor: Executor
  /** Folder of another copy of ONNX Runtime. */
  runtime: string | undefined
}

const { executor, runtime } = workerData as ThreadData
const ort = await openRuntime(runtime)
const port = parentPort!
const models = new Map<string, Session>()

port.on('message', async (message: ToThread) => {
  if (message.kind === 'close') {
    port.close()
    return
  }
  const { id } = message
  try {
    if (message.kind === 'load') {
      models.set(message.model, await openSession(ort, message.graph, message.file, executor))
      reply({ id })
    } else if (message.kind === 'release') {
      await models.get(message.model)?.release()
      models.delete(message.model)
      reply({ id })
    } else {
      reply({ id, images: await models.get(message.model)!.run(message.windows) })
    }
  } catch (error) {
    reply({ id, error: plainError(error) })
  }
})

function reply(answer: FromThread): void {
  // Those of one run may lie in one buffer.
  port.postMessage(answer, [...new Set(answer.images?.map(({ data }) => data.buffer as ArrayBuffer))])
}
