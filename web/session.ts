import * as wasmBuild from 'onnxruntime-web/wasm'
import * as webgpuBuild from 'onnxruntime-web/webgpu'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { type GraphFile, servingFile } from '../models/card.js'
import type { Precision } from '../models/precision.js'
import type { Infer } from '../runtime/infer.js'
import { packWindow, unpackWindow } from '../runtime/ports.js'
import type { Model } from './model.js'
import type { Provider, Running } from './protocol.js'

/** Runs windows through ONNX Runtime and knows which provider really does it. */
export interface Session {
  infer: Infer
  running(): Running
}

export interface SessionOptions {
  provider: 'auto' | Provider
  threads: number
  precision: Precision
  /** Folder holding ONNX Runtime's files, ending in '/'; null: where the bundler put them. */
  wasm: string | null
}

/**
 * `auto` takes WebGPU only if a test window comes out as wasm computes it, and goes over to wasm if WebGPU fails later.
 * @throws UprezError `provider-unavailable`; `unknown-model`, `model-mismatch` from fetching the graph; `invalid-option` where there is
 *   none of the precision
 */
export async function startSession(model: Model, options: SessionOptions): Promise<Session> {
  if (options.provider === 'wasm') return wasmSession(model, options, null)
  if (options.precision !== 'fp32') return wasmSession(model, options, `${options.precision} is computed in wasm`)
  const gpu = await startWebgpu(model, options).catch((error: unknown) => {
    if (error instanceof UprezError && error.code !== 'provider-unavailable') throw error
    return messageOf(error)
  })
  if (typeof gpu !== 'string') return options.provider === 'auto' ? withFallback(gpu, model, options) : gpu
  if (options.provider === 'auto') return wasmSession(model, options, gpu)
  throw new UprezError('provider-unavailable', `WebGPU is not available: ${gpu}`, {
    param: 'provider',
    expected: "'wasm' or 'auto'",
    got: 'webgpu',
  })
}

async function wasmSession(model: Model, options: SessionOptions, fallback: string | null): Promise<Session> {
  const file = servingFile(model.card, options.precision)
  const session = await createSession(wasmBuild, WASM_FILES, 'wasm', file, model, options)
  const threads = wasmBuild.env.wasm.numThreads ?? 1
  return { infer: inferWith(wasmBuild, session, file, model.card.scale), running: () => ({ provider: 'wasm', threads, fallback }) }
}

async function startWebgpu(model: Model, options: SessionOptions): Promise<Session> {
  const adapter = await navigator.gpu?.requestAdapter()
  if (!adapter) throw unavailable(navigator.gpu ? 'no graphics adapter answers' : 'this browser has none')
  if (adapter.info.isFallbackAdapter && options.provider === 'auto')
    throw unavailable('only a software adapter answers, and wasm is faster')
  // Float ends: WebGPU has no 8-bit storage, so the uint8 variant would leave the GPU at both ends.
  const file = model.card.model
  const session = await createSession(webgpuBuild, WEBGPU_FILES, 'webgpu', file, model, options)
  const infer = inferWith(webgpuBuild, session, file, model.card.scale)

  const reference = await createSession(webgpuBuild, WEBGPU_FILES, 'wasm', file, model, options)
  try {
    const window = testWindow(model)
    const [got, expected] = [await infer(copyOf(window)), await inferWith(webgpuBuild, reference, file, model.card.scale)(window)]
    const difference = largestDifference(got, expected)
    if (difference > 1) throw unavailable(`its self-test differs from wasm by ${difference} of 255`)
  } catch (error) {
    await session.release()
    throw error
  } finally {
    await reference.release()
  }
  return { infer, running: () => ({ provider: 'webgpu', threads: 1, fallback: null }) }
}

// A lost device or a failed run must not cost the picture: the same window goes to wasm, and so do all later ones. A run on a device
// that was lost may never end, so no window is handed over before the last one answered, and WebGPU is not asked again, even where
// wasm could not start (the network was away).
function withFallback(gpu: Session, model: Model, options: SessionOptions): Session {
  let current = gpu
  let failure: string | undefined
  return {
    running: () => current.running(),
    infer: inTurn(async window => {
      if (failure === undefined) {
        try {
          return await gpu.infer(copyOf(window))
        } catch (error) {
          failure = messageOf(error)
        }
      }
      if (current === gpu) current = await wasmSession(model, options, `WebGPU failed while working: ${failure}`)
      return current.infer(window)
    }),
  }
}

type Build = typeof wasmBuild

/** Addresses of ONNX Runtime's own files, written so that bundlers find and copy them. */
const WASM_FILES = {
  mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.mjs', import.meta.url).href,
  wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.wasm', import.meta.url).href,
}
const WEBGPU_FILES = {
  mjs: new URL('onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs', import.meta.url).href,
  wasm: new URL('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm', import.meta.url).href,
}

async function createSession(
  build: Build,
  files: typeof WASM_FILES,
  provider: Provider,
  file: GraphFile,
  model: Model,
  options: SessionOptions,
) {
  const bytes = await model.fetchGraph(file)
  build.env.logLevel = 'error'
  build.env.wasm.proxy = false
  build.env.wasm.numThreads = options.threads
  build.env.wasm.wasmPaths = options.wasm ?? files
  try {
    return await build.InferenceSession.create(bytes, { executionProviders: [{ name: provider }], graphOptimizationLevel: 'all' })
  } catch (cause) {
    throw unavailable(`${provider} could not start: ${messageOf(cause)}`, cause)
  }
}

// ONNX Runtime takes one run at a time, and wasm runs without a pause: between windows the worker must get to its messages,
// or a cancel would be heard only at the end.
function inferWith(build: Build, session: wasmBuild.InferenceSession, file: GraphFile, scale: number): Infer {
  return inTurn(async window => {
    await nextTurn()
    const { data, dims } = packWindow(window, file.input)
    const input = new build.Tensor(file.input.type, data, dims)
    const outputs = await session.run({ [file.input.name]: input })
    const output = outputs[file.output.name]
    if (!output)
      throw new UprezError('model-mismatch', `The graph ${file.file} has no output '${file.output.name}'`, {
        param: 'output',
        expected: file.output.name,
      })
    const values = (await output.getData()) as ArrayLike<number>
    const image = unpackWindow(values, window.width * scale, window.height * scale, file.output)
    output.dispose()
    return image
  })
}

function inTurn(infer: Infer): Infer {
  let last: Promise<unknown> = Promise.resolve()
  return window => {
    const result = last.then(() => infer(window))
    last = result.catch(() => {})
    return result
  }
}

const turns = new MessageChannel()
const nextTurn = () =>
  new Promise<void>(resolve => {
    turns.port1.onmessage = () => resolve()
    turns.port2.postMessage(null)
  })

/** Noise over a ramp: excites every channel and both ends of the range. */
function testWindow({ card }: Model): Image {
  const multiple = (side: number) => Math.ceil(side / card.sizeMultiple) * card.sizeMultiple
  const { width, height } = card.fixedSize ?? { width: multiple(48), height: multiple(40) }
  let state = 1
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.min(255, (i / (width * height * 3)) * 192 + (state >>> 24) / 4)
  })
  return { data, width, height, channels: 3 }
}

function largestDifference(a: Image, b: Image): number {
  let largest = 0
  for (let i = 0; i < a.data.length; i++) largest = Math.max(largest, Math.abs(a.data[i]! - b.data[i]!))
  return largest
}

const copyOf = (image: Image): Image => ({ ...image, data: image.data.slice() })

const unavailable = (why: string, cause?: unknown) => new UprezError('provider-unavailable', why, { param: 'provider', cause })

/** What went wrong in a line: a C++ exception that ONNX Runtime lets through is the bare address of an object, others are nested. */
function messageOf(error: unknown): string {
  if (typeof error === 'number') return 'an error inside ONNX Runtime'
  const text = error instanceof Error ? error.message : String(error)
  const innermost = text.split(/message: /i).at(-1) ?? text
  return innermost.split('\n')[0]!.trim().replace(/\.$/, '').slice(0, 160)
}
