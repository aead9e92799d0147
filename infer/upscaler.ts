import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UprezError } from '../errors.js'
import { servingFile, type UpscaleCard } from '../models/card.js'
import { chooseModel } from '../models/catalog.js'
import type { Precision } from '../models/precision.js'
import { modelFolder } from '../probe/model-folder.js'
import type { Progress } from '../runtime/infer.js'
import { defined } from './defined.js'
import type { Job, JobResult, OutputFormat } from './engine.js'
import { startEngine } from './engine.js'
import { formatForName } from './format-of-name.js'
import { readPrecision } from './limits.js'
import { checkUpscaleOptions, checkUpscalerOptions } from './options.js'
import { chooseProvider, type Provider, type ProviderReport, readProvider } from './providers.js'

/** The package's main export: super-resolution from a Node program. */

export type { ErrorCode } from '../errors.js'
export { UprezError } from '../errors.js'
export type { UpscaleCard } from '../models/card.js'
export type { Precision } from '../models/precision.js'
export type { Progress } from '../runtime/infer.js'
export type { OutputFormat } from './engine.js'
export type { Provider, ProviderReport } from './providers.js'

export interface UpscalerOptions {
  /**
   * Name of a model, the path of its folder, or an `.onnx` file: what no card says of that is found out by running it, once. Default: the
   * model that `modelPath` is, else `fast-x4`.
   */
  model?: string | undefined
  /** A folder of models to look in first, or one model's folder or file; then UPREZ_MODELS, ./models and the package's own. */
  modelPath?: string | undefined
  /** Compute threads; default UPREZ_THREADS, else the CPUs this process may use. */
  threads?: number | undefined
  /** A picture of which nothing is heard for so long is begun anew, once. Default UPREZ_DEADLINE_MS, else 120 000; 0 = never. */
  deadlineMs?: number | undefined
  /** fp16 (half the file) or int8 (faster), where the model has such a file: see its card. Default UPREZ_PRECISION, else fp32. */
  precision?: Precision | undefined
  /** `auto`, `cpu`, `cuda` (`cuda:0,1` for several cards), `webgpu`, …: that one or an error. Default UPREZ_PROVIDER, else `auto`. */
  provider?: string | undefined
  /** Default UPREZ_MAX_INPUT_PIXELS, else 100 million. */
  maxInputPixels?: number | undefined
  /** Default UPREZ_MAX_OUTPUT_PIXELS, else 250 million. */
  maxOutputPixels?: number | undefined
}

export interface UpscaleOptions {
  /** Enlargement along a side, a number above 0 and at most 64; default the model's own. Excludes width, height and longest. */
  scale?: number | undefined
  /** Size of the result in pixels; one of the two keeps the proportions. */
  width?: number | undefined
  height?: number | undefined
  /** Longer side of the result in pixels; the other keeps the proportions. Excludes the three above. */
  longest?: number | undefined
  /** Default `auto`: what the name of `output` says; else JPEG for JPEG, WebP for WebP, PNG for all others. */
  format?: OutputFormat | 'auto' | undefined
  /** 1..100 for JPEG, WebP (both 95) and AVIF (80). */
  quality?: number | undefined
  /** Bits of a sample, 16 for PNG and TIFF. Default `auto`: as the picture has, 8 where the format has no more. */
  depth?: 'auto' | 8 | 16 | undefined
  /**
   * Pixels per inch that a PNG, JPEG or TIFF says it has: the picture's own (`keep`, the default), those times the enlargement (`scale`), or
   * so many, 1 to 65,535.
   */
  dpi?: 'keep' | 'scale' | number | undefined
  /** Which page of a TIFF, from 1; one of several pages is refused without. */
  page?: number | undefined
  /** Side of a tile in input pixels; default 0: chosen by us. */
  tile?: number | undefined
  /** Test-time augmentation: the mean over eight turned and mirrored runs, at eight times the cost. Default false. */
  tta?: boolean | undefined
  /**
   * A file to write the result to (at once whole, or not at all) instead of returning its bytes. A name that ends as pictures do (.png,
   * .jpg, .jpeg, .webp, .avif, .tif, .tiff) settles the format, and one that contradicts `format` is refused.
   */
  output?: string | undefined
  onProgress?: ((progress: Progress) => void) | undefined
  signal?: AbortSignal | undefined
}

export interface Upscaled extends Omit<JobResult, 'bytes'> {
  /** The encoded picture; empty where `output` was given. */
  data: Uint8Array
}

export interface Upscaler {
  readonly card: UpscaleCard
  /** What it computes with. */
  readonly provider: Provider
  /** What was found out about the others on the way. */
  readonly providers: readonly ProviderReport[]
  /**
   * Enlarges a picture: the bytes of a PNG, JPEG, WebP, AVIF or TIFF file, or its path. Calls may overlap.
   * @throws UprezError; `code` says which: see errors.ts. `aborted` after the signal
   */
  upscale(image: Uint8Array | ArrayBuffer | string | URL, options?: UpscaleOptions): Promise<Upscaled>
  /** Ends the engine's process; running calls reject with `aborted`. */
  close(): Promise<void>
}

/**
 * Starts an upscaler: one engine process, kept until `close`. It does not keep the program alive while nothing runs.
 * @throws UprezError `unknown-model`, `invalid-card`, `invalid-onnx`, `not-an-upscaler`, `unknown-option`, `invalid-option`,
 * `provider-unavailable`, `engine-crashed`
 */
export async function createUpscaler(options: UpscalerOptions = {}): Promise<Upscaler> {
  const { model, modelPath, threads, deadlineMs, maxInputPixels, maxOutputPixels, ...asked } = checkUpscalerOptions(options)
  const { card, folder } = await chooseModel(await modelFolder(model), await modelFolder(modelPath))
  const precision = readPrecision(asked.precision)
  servingFile(card, precision)
  const limits = defined({ maxInputPixels, maxOutputPixels })
  const { execution, reports } = await chooseProvider(readProvider(asked.provider), { folder, precision })
  const engine = await startEngine(defined({ threads, deadlineMs, precision, limits, execution }))

  return {
    card,
    provider: execution.provider,
    providers: reports,
    upscale: async (image, options = {}) => {
      const { onProgress, signal, output, format = 'auto', tile = 0, ...sizes } = checkUpscaleOptions(options)
      const named = output === undefined ? undefined : formatForName(output, format, 'output')
      const asked = defined({ ...sizes, output: output === undefined ? undefined : resolve(output) })
      const job: Job = { input: source(image), model: folder, format: named ?? format, tile, ...asked }
      const { bytes, ...result } = await engine.upscale(job, defined({ onProgress, signal }))
      return { data: bytes ?? new Uint8Array(), ...result }
    },
    close: () => engine.close(),
  }
}

function source(image: unknown): Job['input'] {
  if (image instanceof Uint8Array) return { bytes: image }
  if (image instanceof ArrayBuffer) return { bytes: new Uint8Array(image) }
  if (image instanceof URL && image.protocol === 'file:') return { path: fileURLToPath(image) }
  if (typeof image === 'string' && image !== '') return { path: resolve(image) }
  const expected = 'the bytes or the path of a picture'
  const got = image instanceof URL ? `an address (${image.protocol})` : typeof image
  throw new UprezError('missing-image', `Expected ${expected} but received ${got}`, { param: 'image', expected, got })
}
