import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as Ort from 'onnxruntime-node'
import { UprezError } from '../errors.js'
import type { Image, Pixels } from '../image/image.js'
import type { GraphFile } from '../models/card.js'
import { arrayFor, type PackedWindow, packWindow, unpackWindow } from '../runtime/ports.js'
import type { Provider } from './providers.js'

/** One model in ONNX Runtime, on one device. */
export interface Session {
  /** Pictures of one size and depth, in one run of the graph. */
  run(windows: readonly Image<Pixels>[]): Promise<Image<Pixels>[]>
  release(): Promise<void>
  /** Writes what was measured since, where a file for it was named. */
  endProfiling(): void
}

/** What one thread computes with. */
export interface Executor {
  provider: Provider
  /** Number of the graphics card, where the provider lets one choose. */
  device: number
}

/** @param folder of another copy of the package than the one installed (cuda.ts) */
export async function openRuntime(folder: string | undefined): Promise<typeof Ort> {
  if (folder === undefined) return import('onnxruntime-node')
  return createRequire(join(folder, 'index.js'))('onnxruntime-node') as typeof Ort
}

/** @throws UprezError `model-mismatch` where ONNX Runtime refuses the file, or has no such provider */
export async function openSession(
  ort: typeof Ort,
  graph: GraphFile,
  file: Uint8Array,
  executor: Executor,
  profile?: string,
): Promise<Session> {
  const session = await ort.InferenceSession.create(file, {
    executionProviders: [entryOf(executor)],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // As fast without, and in windows of 512 a session of fast-x2 then keeps 155 MB instead of 264.
    enableMemPattern: false,
    // A waiting thread would burn the core that another one needs.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    logSeverityLevel: 3,
    ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
  }).catch(cause => {
    throw mismatch(graph, 'a graph that ONNX Runtime can load', (cause as Error).message)
  })
  const { inputNames, outputNames } = session
  if (!inputNames.includes(graph.input.name)) throw mismatch(graph, `an input ${graph.input.name}`, inputNames.join(', '))
  if (!outputNames.includes(graph.output.name)) throw mismatch(graph, `an output ${graph.output.name}`, outputNames.join(', '))

  return {
    async run(windows) {
      const [{ data: like }] = windows as [Image<Pixels>]
      const { data, dims } = packWindows(windows, graph)
      const feeds = { [graph.input.name]: new ort.Tensor(graph.input.type, data, dims) }
      const output = (await session.run(feeds, [graph.output.name]))[graph.output.name]!
      return unpackWindows(output.data as PackedWindow['data'], output.dims, graph, like)
    },
    release: () => session.release(),
    endProfiling: () => session.endProfiling(),
  }
}

/** A list of one: what ONNX Runtime cannot compute there it computes on the CPU, but that it cannot go there at all is an error. */
function entryOf({ provider, device }: Executor): Ort.InferenceSession.ExecutionProviderConfig {
  // WebGPU refuses options that it does not know.
  return provider === 'cuda' || provider === 'dml' ? { name: provider, deviceId: device } : { name: provider }
}

function packWindows(windows: readonly Image<Pixels>[], { input }: GraphFile): { data: PackedWindow['data']; dims: number[] } {
  const packed = windows.map(window => packWindow(window, input))
  const [first] = packed
  if (packed.length === 1) return first!
  const data = arrayFor(input, first!.data.length * packed.length)
  for (const [i, { data: part }] of packed.entries()) data.set(part, i * part.length)
  return { data, dims: [packed.length, ...first!.dims.slice(1)] }
}

function unpackWindows(data: PackedWindow['data'], dims: readonly number[], { output }: GraphFile, like: Pixels): Image<Pixels>[] {
  const [height, width] = output.layout === 'NHWC' ? dims.slice(1, 3) : dims.slice(2, 4)
  const length = data.length / dims[0]!
  return Array.from({ length: dims[0]! }, (_, i) =>
    unpackWindow(data.subarray(i * length, (i + 1) * length), width!, height!, output, like),
  )
}

function mismatch(graph: GraphFile, expected: string, got: string): UprezError {
  return new UprezError('model-mismatch', `${graph.file}: expected ${expected} but found ${got}`, { param: graph.file, expected, got })
}
