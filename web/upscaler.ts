import { reviveError, UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'
import { PRECISIONS, type Precision } from '../models/precision.js'
import type { Progress } from '../runtime/infer.js'
import { checkChoice, checkInteger, checkKind, checkPositive, invalid, refuseUnknown } from './options.js'
import type {
  FromWorker,
  JobInput,
  JobOptions,
  OutputFormat,
  Provider,
  Running,
  StartOptions,
  ToWorker,
  UpscaleResult,
} from './protocol.js'

export type { ErrorCode } from '../errors.js'
export { UprezError } from '../errors.js'
export type { UpscaleCard } from '../models/card.js'
export type { Precision } from '../models/precision.js'
export type { Progress } from '../runtime/infer.js'
export { MAX_INPUT_PIXELS, MAX_OUTPUT_PIXELS } from './limits.js'
export type { OutputFormat, Provider, Running, UpscaleResult } from './protocol.js'

export interface UpscalerOptions {
  /** Id of a model under `modelsUrl`, or the address of a model's folder (a URL, or a string with a '/'). Default `fast-x4`. */
  model?: string | URL
  /** Folder that holds `<id>/card.json`; default `models/` beside the page. */
  modelsUrl?: string | URL
  /** `auto` (default): WebGPU where it works and gives the right answer, else wasm. A name: that one or an error. */
  provider?: 'auto' | Provider
  /** fp16 (half the download) or int8 (a quarter, and faster), in wasm, where the model has such a file: see its card. Default fp32. */
  precision?: Precision
  /** wasm threads, 1..64; default: the machine's, at most 8. One where the page is not cross-origin isolated. */
  threads?: number
  /** Folder holding ONNX Runtime's `.mjs` and `.wasm` files, for bundlers that do not follow `new URL(…, import.meta.url)`. */
  wasmUrl?: string | URL
}

export interface UpscaleOptions {
  /** Enlargement; default the model's own. Exclusive with width and height. */
  scale?: number
  /** Size of the result in pixels; one of the two keeps the aspect ratio. */
  width?: number
  height?: number
  /** `auto` (default): JPEG in → jpg, WebP → webp (png where the browser cannot write it, as in Safari), otherwise png. */
  format?: OutputFormat | 'auto'
  /** 1..100, for jpg and webp; default 95. */
  quality?: number
  /** Side of a tile in input pixels; 0 (default): chosen by us. */
  tile?: number
  onProgress?: (progress: Progress) => void
  signal?: AbortSignal
}

/** A picture: a file, pixels, or the address of a file. */
export type UpscaleInput = JobInput | URL | string

export interface Upscaler {
  /**
   * Enlarges one picture in the worker; several calls queue up.
   * @throws UprezError: `not-an-image`, `broken-image`, `unsupported-format`, `animated-image`, `too-many-pixels`,
   *   `output-too-large`, `no-input`, `unknown-option`, `invalid-option`, `aborted`, `engine-crashed`; where WebGPU failed in mid-work,
   *   what `createUpscaler` throws for wasm: `unknown-model`, `provider-unavailable`
   */
  upscale(input: UpscaleInput, options?: UpscaleOptions): Promise<UpscaleResult>
  /** Ends the worker and gives its memory back; work under way rejects with `aborted`. */
  close(): Promise<void>
  readonly card: UpscaleCard
  /** What really runs now (WebGPU may be given up in mid-work; each result says what made it). */
  readonly running: Running
}

/**
 * Starts a worker with a model in it.
 * @throws UprezError `unknown-model`, `invalid-card`, `model-mismatch`, `provider-unavailable`, `unknown-option`, `invalid-option`
 */
export async function createUpscaler(options: UpscalerOptions = {}): Promise<Upscaler> {
  const start = checkStart(options)
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'uprez' })
  const send = (message: ToWorker) => worker.postMessage(message)
  const jobs = new Map<number, Job>()
  let running: Running | undefined
  let dead: UprezError | undefined

  const end = (reason: UprezError) => {
    dead ??= reason
    worker.terminate()
    for (const job of jobs.values()) job.reject(dead)
    jobs.clear()
  }

  const ready = new Promise<Extract<FromWorker, { type: 'ready' }>>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (data.type === 'ready') resolve(data)
      else if (data.type === 'start-failed') reject(reviveError(data.error))
      else if (data.type === 'progress') jobs.get(data.id)?.onProgress?.(data.progress)
      else settle(data)
    }
    worker.onerror = event => {
      const crash = new UprezError('engine-crashed', `The worker stopped: ${event.message || 'its script could not be loaded'}`)
      reject(crash)
      end(crash)
    }
  })

  const settle = (message: Extract<FromWorker, { type: 'done' | 'failed' }>) => {
    const job = jobs.get(message.id)
    jobs.delete(message.id)
    if (message.type === 'failed') return job?.reject(reviveError(message.error))
    const { provider, threads, fallback } = message.result
    running = { provider, threads, fallback }
    job?.resolve(message.result)
  }

  send({ type: 'start', options: start })
  const { card, provider, threads, fallback } = await ready.catch(error => {
    worker.terminate()
    throw error
  })
  running = { provider, threads, fallback }

  let lastId = 0
  return {
    card,
    get running() {
      return running!
    },
    async upscale(input, options = {}) {
      const job = checkJob(options)
      const { onProgress, signal } = options
      const picture = await readInput(input, signal)
      if (dead) throw dead
      if (signal?.aborted) throw aborted()
      const id = ++lastId
      const abort = () => {
        jobs.get(id)?.reject(aborted())
        jobs.delete(id)
        send({ type: 'abort', id })
      }
      signal?.addEventListener('abort', abort, { once: true })
      try {
        return await new Promise<UpscaleResult>((resolve, reject) => {
          try {
            send({ type: 'upscale', id, input: picture, options: job })
          } catch {
            throw invalid('input', 'pixels that can be handed over (not closed, not transferred)', picture)
          }
          jobs.set(id, { resolve, reject, onProgress })
        })
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    },
    async close() {
      end(new UprezError('aborted', 'The upscaler was closed'))
    },
  }
}

interface Job {
  resolve: (result: UpscaleResult) => void
  reject: (error: UprezError) => void
  onProgress: ((progress: Progress) => void) | undefined
}

const aborted = () => new UprezError('aborted', 'The work was cancelled')

function checkStart(options: UpscalerOptions): StartOptions {
  refuseUnknown(options, ['model', 'modelsUrl', 'provider', 'precision', 'threads', 'wasmUrl'])
  const { model = 'fast-x4', modelsUrl = 'models/', provider, precision = 'fp32', threads, wasmUrl } = options
  if (!(model instanceof URL) && (typeof model !== 'string' || model === '')) throw invalid('model', "a model's id or address", model)
  checkChoice('provider', provider, ['auto', 'webgpu', 'wasm'])
  checkChoice('precision', precision, PRECISIONS)
  if (provider === 'webgpu' && precision !== 'fp32') throw invalid('precision', 'fp32 with WebGPU', precision)
  checkInteger('threads', threads, 1, 64)
  const isAddress = model instanceof URL || model.includes('/')
  const models = folder('modelsUrl', modelsUrl)
  return {
    model: isAddress ? folder('model', model) : new URL(`${encodeURIComponent(model)}/`, models).href,
    models: isAddress ? null : models,
    provider: provider ?? 'auto',
    precision,
    threads: threads ?? null,
    wasm: wasmUrl === undefined ? null : folder('wasmUrl', wasmUrl),
  }
}

function folder(param: string, value: string | URL): string {
  const text = String(value)
  return address(param, text.endsWith('/') ? text : `${text}/`)
}

function address(param: string, value: string | URL): string {
  try {
    return new URL(value, document.baseURI).href
  } catch {
    throw invalid(param, 'an address', value)
  }
}

function checkJob(options: UpscaleOptions): JobOptions {
  refuseUnknown(options, ['scale', 'width', 'height', 'format', 'quality', 'tile', 'onProgress', 'signal'])
  const { scale, width, height, format = 'auto', quality, tile = 0, onProgress, signal } = options
  checkPositive('scale', scale, 16)
  checkInteger('width', width, 1, 65_535)
  checkInteger('height', height, 1, 65_535)
  checkChoice('format', format, ['auto', 'png', 'jpg', 'webp'])
  checkInteger('quality', quality, 1, 100)
  checkInteger('tile', tile, 0, 4096)
  checkKind('onProgress', onProgress, typeof onProgress === 'function', 'a function')
  checkKind('signal', signal, signal instanceof AbortSignal, 'an AbortSignal')
  if (scale !== undefined && (width !== undefined || height !== undefined)) {
    throw new UprezError('invalid-option', "Expected either 'scale' or 'width'/'height' but received both.", { param: 'scale' })
  }
  return {
    ...(scale === undefined ? {} : { scale }),
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
    ...(quality === undefined ? {} : { quality }),
    format,
    tile,
  }
}

async function readInput(input: UpscaleInput, signal: AbortSignal | undefined): Promise<JobInput> {
  if (input instanceof Blob || input instanceof ImageData || input instanceof ImageBitmap) return input
  if (!(input instanceof URL) && typeof input !== 'string') {
    throw invalid('input', 'a Blob, ImageBitmap, ImageData or URL', input)
  }
  const got = address('input', input)
  const fail = (cause: unknown): never => {
    if (signal?.aborted) throw aborted()
    throw new UprezError('no-input', `${got} could not be fetched (network, or CORS)`, { param: 'input', got, cause })
  }
  const response = await fetch(got, signal ? { signal } : {}).catch(fail)
  if (!response.ok) throw new UprezError('no-input', `${got} answered ${response.status}`, { param: 'input', got })
  return response.blob().catch(fail)
}
