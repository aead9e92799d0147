import type { PlainError } from '../errors.js'
import type { Precision } from '../models/precision.js'
import type { Progress } from '../runtime/infer.js'
import type { Job, JobResult, Limits, LoadedModel, Measure } from './job.js'
import type { Execution } from './providers.js'

/** What the engine's parent and its child say to each other over the IPC channel. */

export interface ChildSettings {
  threads: number
  limits: Limits
  /** Bytes; models that no job needs are released beyond it. */
  modelMemory: number
  /** Of the files that are loaded. */
  precision: Precision
  execution: Execution
}

export type ToChild =
  | { kind: 'job'; id: number; job: Job; mark: string }
  /** The job's bytes may be the first ones alone; `whole`: they are all there are. */
  | { kind: 'measure'; id: number; job: Job; whole: boolean }
  | { kind: 'cancel'; id: number }
  /** No new job will ask for this model. */
  | { kind: 'forget'; folder: string; version: string }
  | { kind: 'close' }

export type FromChild = { kind: 'ready' } | { kind: 'unable'; error: PlainError } | { kind: 'state'; state: ChildState } | AboutTask

/** About one job or measurement. */
export type AboutTask =
  | { kind: 'progress'; id: number; progress: Progress }
  /** The next sign of life may take so many times the usual deadline; 0: any time. See patience.ts. */
  | { kind: 'patience'; id: number; factor: number }
  /** The header is not in the first bytes: send all. */
  | { kind: 'more'; id: number }
  | { kind: 'done'; id: number; result: JobResult | Measure }
  | { kind: 'failed'; id: number; error: PlainError }

/** As of the child's last message about it: sent after every job, and now and then during one. */
export interface ChildState {
  /** Resident memory in bytes. */
  rss: number
  /** Windows that models ran on since the child began. */
  tiles: number
  /** The ONNX Runtime provider that runs them. */
  provider: string
  models: LoadedModel[]
}
