import { parentPort } from 'node:worker_threads'
import * as ort from 'onnxruntime-node'
import type { PlainError } from '../errors.js'
import { plainError, UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import type { GraphFile } from '../models/card.js'
import { packWindow, unpackWindow } from '../runtime/ports.js'

/** One ONNX Runtime thread: answers windows one after the other. See ort-threads.ts for the other side. */

export type ToThread =
  | { kind: 'load'; id: number; model: string; graph: GraphFile; file: Uint8Array }
  | { kind: 'run'; id: number; model: string; window: Image }
  | { kind: 'close' }

export interface FromThread {
  id: number
  image?: Image
  error?: PlainError
}

interface Loaded {
  session: ort.InferenceSession
  graph: GraphFile
}

const port = parentPort!
const models = new Map<string, Loaded>()

port.on('message', async (message: ToThread) => {
  if (message.kind === 'close') {
    port.close()
    return
  }
  const { id } = message
  try {
    if (message.kind === 'load') {
      models.set(message.model, await load(message.graph, message.file))
      reply({ id })
    } else {
      reply({ id, image: await run(models.get(message.model)!, message.window) })
    }
  } catch (error) {
    reply({ id, error: plainError(error) })
  }
})

function reply(answer: FromThread): void {
  port.postMessage(answer, answer.image ? [answer.image.data.buffer as ArrayBuffer] : [])
}

async function load(graph: GraphFile, file: Uint8Array): Promise<Loaded> {
  const session = await ort.InferenceSession.create(file, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // A waiting thread would burn the core that another one needs.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    logSeverityLevel: 3,
  }).catch(cause => {
    throw mismatch(graph, 'a graph that ONNX Runtime can load', (cause as Error).message)
  })
  if (!session.inputNames.includes(graph.input.name)) throw mismatch(graph, `an input ${graph.input.name}`, session.inputNames.join(', '))
  if (!session.outputNames.includes(graph.output.name))
    throw mismatch(graph, `an output ${graph.output.name}`, session.outputNames.join(', '))
  return { session, graph }
}

async function run({ session, graph }: Loaded, window: Image): Promise<Image> {
  const { data, dims } = packWindow(window, graph.input)
  const input = new ort.Tensor(graph.input.type, data, dims)
  const output = (await session.run({ [graph.input.name]: input }, [graph.output.name]))[graph.output.name]!
  const [height, width] = graph.output.layout === 'NHWC' ? output.dims.slice(1, 3) : output.dims.slice(2, 4)
  return unpackWindow(output.data as Float32Array | Uint8Array, width!, height!, graph.output)
}

function mismatch(graph: GraphFile, expected: string, got: string): UprezError {
  return new UprezError('model-mismatch', `${graph.file}: expected ${expected} but found ${got}`, { param: graph.file, expected, got })
}
