import type { Progress } from '../runtime/infer.js'

/** What is asked of the engine and what it answers, as plain data: it crosses the boundary to the child. */

export const OUTPUT_FORMATS = ['png', 'jpg', 'webp', 'avif', 'tiff'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]

/** Bits of a sample. */
export type Depth = 8 | 16

/** One picture to upscale. */
export interface Job {
  input: { bytes: Uint8Array } | { path: string }
  /** Folder of the model: holds `card.json` and the graph files. */
  model: string
  /**
   * Which model was in that folder when the job was made (`Model.version`). While it is loaded, the job is done with it, whatever lies
   * in the folder now; else with what lies there. Without: with what was loaded from there, whatever lies there now.
   */
  version?: string
  /** Where to write the result (temporary file, fsync, rename). Without it the bytes come back. */
  output?: string
  /** Requested enlargement; default the model's own. Exclusive with width, height and longest. */
  scale?: number
  /** Requested output size in pixels; one of the two keeps the aspect ratio. */
  width?: number
  height?: number
  /** Requested longer side in pixels; exclusive with the three above. */
  longest?: number
  /** `auto`: JPEG in → JPEG, WebP → WebP, otherwise PNG. */
  format: OutputFormat | 'auto'
  /** 1..100 for JPEG, WebP and AVIF. Default: JPEG 95, WebP 95, AVIF 80 (PNG and TIFF have none). */
  quality?: number
  /** Of the result, and of all that is computed; 16 for PNG and TIFF only. Default `auto`: as the picture has, 8 where the format has no more. */
  depth?: 'auto' | Depth
  /**
   * Pixels per inch that a PNG, JPEG or TIFF says it has: the picture's own (`keep`, the default), those times the enlargement (`scale`:
   * it prints as large as before), or so many.
   */
  dpi?: 'keep' | 'scale' | number
  /** Which page of a TIFF, from 1; one of several pages is refused without. */
  page?: number
  /** Side of a tile's window in input pixels; 0 = chosen by us. */
  tile: number
  /** Test-time augmentation: better by a little, at eight times the cost (runtime/tta.ts). */
  tta?: boolean
}

export interface JobResult {
  /** The encoded picture, unless the job named an output file. */
  bytes?: Uint8Array
  format: OutputFormat
  width: number
  height: number
  input: { format: string; width: number; height: number }
  model: string
  /** The ONNX Runtime provider that really ran. */
  provider: string
  /** In the engine's child, from its getting the job to the answer. */
  milliseconds: number
  stages: Stages
  /** Windows that the model ran on. */
  tiles: number
  /** Pixels of the largest picture that was computed: the result, or the enlargement it was reduced from. */
  pixels: number
}

/** Where the time went, in milliseconds. */
export interface Stages {
  /** Waiting: for a place in the engine, for the model to be loaded, for memory. */
  queue: number
  decode: number
  upscale: number
  /** Writing the output file included. */
  encode: number
}

/** What a job amounts to, by the picture's header. */
export interface Measure {
  input: { format: string; width: number; height: number }
  width: number
  height: number
  /** As `JobResult.pixels`, times the turned runs of test-time augmentation: what the work costs. */
  work: number
}

export interface JobOptions {
  onProgress?: (progress: Progress) => void
  signal?: AbortSignal
}

/** Input and output limits; `limits.ts` names their environment variables (UPREZ_*) and defaults. */
export interface Limits {
  maxInputPixels: number
  maxOutputPixels: number
}

/** A model that the engine holds in memory. */
export interface LoadedModel {
  id: string
  folder: string
  version: string
  /** Of all its sessions, estimated. */
  bytes: number
}
