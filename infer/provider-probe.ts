import '../no-telemetry.js'
import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type * as Ort from 'onnxruntime-node'
import { UprezError } from '../errors.js'
import type { Image, Pixels } from '../image/image.js'
import { type GraphFile, servingFile, type UpscaleCard } from '../models/card.js'
import { findModel, readGraph } from '../models/catalog.js'
import type { Proof, ToProve } from './prove-provider.js'
import type { Provider } from './providers.js'
import { type Executor, openRuntime, openSession, type Session } from './session.js'

// Run as a child process by proveProvider: one tile of the model on the CPU and on the provider; says what came of it, and is killed.

const { execution, device, sample, profile } = JSON.parse(process.argv[2]!) as ToProve

async function prove(): Promise<Proof> {
  const found = await findModel(join(sample.folder, 'card.json'))
  const graph = servingFile(found.card, sample.precision)
  const file = await readGraph(found, graph)
  const ort = await openRuntime(execution.runtime?.folder)
  const window = drawn(found.card)
  const measured = async (executor: Executor) => {
    const session = await openSession(ort, graph, file, executor)
    const made = await timed(session, window)
    await session.release()
    return made
  }
  const cpu = await measured({ provider: 'cpu', device: 0 })
  const executor = { provider: execution.provider, device }
  const elsewhere = execution.provider === 'cpu' ? undefined : await computedElsewhere(ort, graph, file, executor, window)
  if (elsewhere !== undefined) return { works: false, reason: elsewhere }
  const own = await measured(executor)
  const wrong = differs(own.image, cpu.image)
  if (wrong !== undefined) return { works: false, reason: wrong }
  return { works: true, milliseconds: own.milliseconds, cpuMilliseconds: cpu.milliseconds }
}

/** Something of everything: slopes, edges and noise, the same at every call. */
function drawn({ fixedSize, sizeMultiple }: UpscaleCard): Image {
  const side = Math.ceil(SIDE / sizeMultiple) * sizeMultiple
  const { width, height } = fixedSize ?? { width: side, height: side }
  const data = new Uint8Array(width * height * 3)
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)]
    const edge = (x >> 4) % 2 === (y >> 4) % 2 ? 90 : 0
    // All three the same, for models that take grey only.
    const pixel = Math.floor(i / 3)
    data[i] = edge + ((x * 80) / width + (y * 40) / height + (Math.imul(pixel, 2654435761) >>> 27))
  }
  return { data, width, height, channels: 3 }
}

/** Large enough for a graphics card to show what it can. */
const SIDE = 128

/** The first run may compile; the best of the others counts. */
async function timed(session: Session, window: Image): Promise<{ image: Image<Pixels>; milliseconds: number }> {
  const copy = () => ({ ...window, data: window.data.slice() })
  const [image] = await session.run([copy()])
  let milliseconds = Number.POSITIVE_INFINITY
  const start = performance.now()
  for (let run = 0; run < 5 && (run === 0 || performance.now() - start < 1000); run++) {
    const began = performance.now()
    await session.run([copy()])
    milliseconds = Math.min(milliseconds, performance.now() - began)
  }
  return { image: image!, milliseconds }
}

/** Whether ONNX Runtime quietly computes the model on the CPU, as it does with what a provider does not know; said by its profile. */
async function computedElsewhere(
  ort: typeof Ort,
  graph: GraphFile,
  file: Uint8Array,
  executor: Executor,
  window: Image,
): Promise<string | undefined> {
  const session = await openSession(ort, graph, file, executor, profile)
  await session.run([{ ...window, data: window.data.slice() }])
  session.endProfiling()
  await session.release()
  const name = (await readdir(dirname(profile))).find(name => name.startsWith(basename(profile)))!
  const events = JSON.parse(await readFile(join(dirname(profile), name), 'utf8')) as ProfileEvent[]
  const nodes = events.filter(({ cat }) => cat === 'Node').map(({ args }) => args!)
  if (!nodes.some(node => node.provider === IN_PROFILE[executor.provider])) return 'nothing of the model is computed on it'
  const convolutions = nodes.filter(node => node.provider === IN_PROFILE.cpu && /Conv|MatMul|Gemm/.test(node.op_name ?? '')).length
  return convolutions > 0 ? `${convolutions} convolutions of the model would be computed on the CPU` : undefined
}

interface ProfileEvent {
  cat: string
  args?: { provider?: string; op_name?: string }
}

const IN_PROFILE: Record<Provider, string> = {
  cpu: 'CPUExecutionProvider',
  cuda: 'CUDAExecutionProvider',
  webgpu: 'WebGpuExecutionProvider',
  dml: 'DmlExecutionProvider',
  coreml: 'CoreMLExecutionProvider',
}

/** Sums run in another order, and CUDA rounds factors to 11 bits; a wrong answer is far beyond that. In steps of 255. */
const MOST_DIFFERENCE = { mean: 1, max: 16 }

function differs(image: Image<Pixels>, expected: Image<Pixels>): string | undefined {
  const sum = { mean: 0, max: 0 }
  for (let i = 0; i < expected.data.length; i++) {
    const apart = Math.abs(image.data[i]! - expected.data[i]!)
    sum.mean += apart / expected.data.length
    sum.max = Math.max(sum.max, apart)
  }
  if (image.data.length === expected.data.length && sum.mean <= MOST_DIFFERENCE.mean && sum.max <= MOST_DIFFERENCE.max) return undefined
  return `its answer is wrong: ${sum.mean.toFixed(1)} of 255 from the CPU's on the average, ${sum.max} at most`
}

process.send!(
  await prove().catch((error: Error): Proof => ({ works: false, reason: (error instanceof UprezError && error.got) || error.message })),
)
