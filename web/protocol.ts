import type { PlainError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'
import type { Precision } from '../models/precision.js'
import type { Progress } from '../runtime/infer.js'

/** What travels between the page and the worker; everything here survives structured cloning. */

export type Provider = 'webgpu' | 'wasm'
export type OutputFormat = 'png' | 'jpg' | 'webp'

/** Addresses are absolute: a worker's own address is no base that the caller would expect. */
export interface StartOptions {
  /** Folder of the model, ending in '/'. */
  model: string
  /** Folder of folders, for suggesting a name; null where the model was given by address. */
  models: string | null
  provider: 'auto' | Provider
  threads: number | null
  precision: Precision
  /** Folder holding ONNX Runtime's .mjs and .wasm files; null: where the bundler put them. */
  wasm: string | null
}

export interface JobOptions {
  scale?: number
  width?: number
  height?: number
  format: OutputFormat | 'auto'
  quality?: number
  tile: number
}

/** What really runs, which may be another thing than what was asked for. */
export interface Running {
  provider: Provider
  threads: number
  /** Why WebGPU does not run although `auto` asked for it; null where nothing needs saying. */
  fallback: string | null
}

export interface UpscaleResult extends Running {
  /** The encoded picture. */
  blob: Blob
  format: OutputFormat
  width: number
  height: number
  input: { format: string; width: number; height: number }
  /** Id of the model. */
  model: string
  /** From taking the picture up to handing the result over. */
  milliseconds: number
}

export type JobInput = Blob | ImageData | ImageBitmap

export type ToWorker =
  | { type: 'start'; options: StartOptions }
  | { type: 'upscale'; id: number; input: JobInput; options: JobOptions }
  | { type: 'abort'; id: number }

export type FromWorker =
  | ({ type: 'ready'; card: UpscaleCard } & Running)
  | { type: 'start-failed'; error: PlainError }
  | { type: 'progress'; id: number; progress: Progress }
  | { type: 'done'; id: number; result: UpscaleResult }
  | { type: 'failed'; id: number; error: PlainError }
