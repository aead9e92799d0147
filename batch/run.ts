import { setMaxListeners } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ErrorCode } from '../errors.js'
import { plainError, reviveError, UprezError } from '../errors.js'
import { defined } from '../infer/defined.js'
import type { Engine, Job, JobResult } from '../infer/engine.js'
import type { ManifestWriter } from './manifest.js'
import type { Failure, Task } from './plan.js'

/** What a run tells while it works. */
export interface Watcher {
  /** @param fraction 0..1 of this picture's tiles */
  progress(task: Task, fraction: number): void
  done(task: Task, result: JobResult): void
  failed(task: Task, error: UprezError): void
}

export interface RunOptions {
  engine: Engine
  manifest: ManifestWriter
  /** What is the same for every picture. */
  job: Omit<Job, 'input' | 'output' | 'format'>
  /** Pictures in flight; the engine itself sees to it that they fit into memory. */
  jobs: number
  signal: AbortSignal
  watcher: Watcher
}

/** A picture that stands at its name. */
export interface Made {
  task: Task
  result: JobResult
}

export interface RunResult {
  made: Made[]
  /** Where the last is of a kind that every further picture would meet too, or a bug of ours, it ended the run. */
  failures: Failure[]
  /** What was thrown, where it is a bug of ours. */
  bug: unknown
}

const FATAL: readonly ErrorCode[] = ['no-space', 'model-mismatch', 'invalid-card', 'unknown-model', 'provider-unavailable']

/**
 * Makes the tasks' pictures. One that fails is reported and left behind; on abort the pictures in flight are dropped
 * and the run returns what it has. Every finished picture stands in the manifest, but for one that was finished in the moment of the
 * abort: it stands there as begun.
 */
export async function runTasks(tasks: readonly Task[], { engine, manifest, job, jobs, signal, watcher }: RunOptions): Promise<RunResult> {
  const result: RunResult = { made: [], failures: [], bug: undefined }
  const stop = new AbortController()
  const ended = AbortSignal.any([signal, stop.signal])
  // Every picture in flight listens; Node takes more than ten listeners for a leak.
  setMaxListeners(0, ended)
  let next = 0
  const worker = async () => {
    while (next < tasks.length && !ended.aborted) await work(tasks[next++]!)
  }
  await Promise.all(Array.from({ length: Math.min(jobs, tasks.length) }, worker))
  return result

  async function work(task: Task) {
    try {
      await mkdir(dirname(task.output), { recursive: true })
      const { source, output, entry } = task
      await manifest.begin(entry.output)
      const done = await engine.upscale(
        { ...job, ...defined({ page: source.page }), input: { path: source.path }, output, format: entry.recipe.format },
        { signal: ended, onProgress: ({ done, total }) => watcher.progress(task, total === 0 ? 0 : done / total) },
      )
      await manifest.append(entry)
      result.made.push({ task, result: done })
      watcher.done(task, done)
    } catch (cause) {
      if (ended.aborted) return
      const known = knownError(cause, task.output)
      if (known === undefined) result.bug = cause
      const error = known ?? reviveError(plainError(cause))
      if (known === undefined || FATAL.includes(known.code)) stop.abort()
      result.failures.push({ path: task.source.path, error })
      watcher.failed(task, error)
    }
  }
}

/** The file system's own errors (making a folder, writing the manifest) in the words of the table; undefined for a bug of ours. */
function knownError(cause: unknown, output: string): UprezError | undefined {
  if (cause instanceof UprezError) return cause
  const code = (cause as NodeJS.ErrnoException).code
  if (code === undefined) return undefined
  const table: ErrorCode = code === 'ENOSPC' || code === 'EDQUOT' ? 'no-space' : 'not-writable'
  return new UprezError(table, `${output}: cannot be written: ${(cause as Error).message}`, { param: 'output', got: output, cause })
}
