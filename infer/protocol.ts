import type { PlainError } from '../errors.js'
import type { Progress } from '../runtime/infer.js'
import type { Job, JobResult, Limits } from './engine.js'

/** What the engine's parent and its child say to each other over the IPC channel. */

export interface ChildSettings {
  threads: number
  limits: Limits
}

export type ToChild = { kind: 'job'; id: number; job: Job; mark: string } | { kind: 'cancel'; id: number } | { kind: 'close' }

export type FromChild =
  | { kind: 'ready' }
  | { kind: 'unable'; error: PlainError }
  | { kind: 'progress'; id: number; progress: Progress }
  /** The next sign of life may take so many times the usual deadline; 0: any time. */
  | { kind: 'patience'; id: number; factor: number }
  | { kind: 'done'; id: number; result: JobResult }
  | { kind: 'failed'; id: number; error: PlainError }
