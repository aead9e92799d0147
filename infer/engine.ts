import type { ChildProcess } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { temporaryPath } from '../atomic.js'
import { reviveError, UprezError } from '../errors.js'
import type { Progress } from '../runtime/infer.js'
import { cpusAllowed } from './cpus.js'
import { forkChild, holdsProcess } from './fork.js'
import { ENGINE_SETTINGS, readLimits, readSetting } from './limits.js'
import type { ChildSettings, FromChild, ToChild } from './protocol.js'

/**
 * One forked child does all pixel work (see "Processes" in ARCHITECTURE.md); this file is its parent's side.
 * It never touches a pixel and loads neither sharp nor ONNX Runtime, so that whatever a picture does to
 * those, this process lives on, starts another child and gives it the jobs once more.
 */

export type OutputFormat = 'png' | 'jpg' | 'webp' | 'avif'

/** One picture to upscale. */
export interface Job {
  input: { bytes: Uint8Array } | { path: string }
  /** Folder of the model: holds `card.json` and the graph files. */
  model: string
  /** Where to write the result (temporary file, fsync, rename). Without it the bytes come back. */
  output?: string
  /** Requested enlargement; default the model's own. Exclusive with width/height. */
  scale?: number
  /** Requested output size in pixels; one of the two keeps the aspect ratio. */
  width?: number
  height?: number
  /** `auto`: JPEG in → JPEG, WebP → WebP, otherwise PNG. */
  format: OutputFormat | 'auto'
  /** 1..100 for JPEG, WebP and AVIF. Default: JPEG 95, WebP 95, AVIF 80 (PNG has none). */
  quality?: number
  /** Side of a tile's window in input pixels; 0 = chosen by us. */
  tile: number
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
  milliseconds: number
}

export interface JobOptions {
  onProgress?: (progress: Progress) => void
  signal?: AbortSignal
}

export interface EngineOptions {
  /** ORT worker threads in the child; default UPREZ_THREADS, else the CPUs this process may use. */
  threads?: number
  /**
   * A job of which nothing was heard for so long (no tile done, no step finished) is taken for hung: the child is
   * killed and the job tried once more. Default UPREZ_DEADLINE_MS, else 120 000 ms; 0 = none.
   */
  deadlineMs?: number
  limits?: Partial<Limits>
}

/** Input and output limits; `limits.ts` names their environment variables (UPREZ_*) and defaults. */
export interface Limits {
  maxInputPixels: number
  maxOutputPixels: number
}

export interface Engine {
  /** @throws UprezError: see errors.ts */
  upscale(job: Job, options?: JobOptions): Promise<JobResult>
  /** Finishes nothing: running jobs reject with `aborted`, the child exits. */
  close(): Promise<void>
  /** Process id of the present child (for health pages and tests that kill it). */
  readonly pid: number | undefined
}

/** A job on its way, from the call to its answer. */
interface Task {
  id: number
  job: Job
  options: JobOptions
  answer: (answer: JobResult | UprezError) => void
  /** Answered already (cancelled), though the child may still be at it. */
  answered: boolean
  /** Children that died under it. A second one and the job is given up. */
  deaths: number
  /** Part of the temporary file's name in the present attempt. */
  mark: string
  deadline: NodeJS.Timeout | undefined
}

/** A child died under it, and the next may as well: it runs alone, so that no other job is lost with it. */
const isSuspect = (task: Task): boolean => task.deaths > 0

/**
 * Starts the engine and waits until its child is ready. While no job runs, the child does not keep this process alive;
 * it ends by itself when this process does, however that ends.
 * @throws UprezError `invalid-option`, `engine-crashed` with the reason why the child cannot start
 */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const threads = readSetting('threads', ENGINE_SETTINGS.threads, options.threads) ?? cpusAllowed()
  const deadlineMs = readSetting('deadlineMs', ENGINE_SETTINGS.deadlineMs, options.deadlineMs) ?? ENGINE_SETTINGS.deadlineMs.fallback
  const settings: ChildSettings = { threads, limits: readLimits(options.limits) }
  // While as many run as there are threads, one more decodes and one encodes. The rest wait here, where they cost nothing.
  const places = threads + 2

  const waiting: Task[] = []
  const running = new Map<number, Task>()
  let lastId = 0
  let child: ChildProcess | undefined
  let ready = false
  let hung: Task | undefined
  let closing: Promise<void> | undefined

  await revive()
  return {
    upscale,
    close: () => {
      closing ??= close()
      return closing
    },
    get pid() {
      return child?.pid
    },
  }

  function upscale(job: Job, options: JobOptions = {}): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      const { signal } = options
      if (closing || signal?.aborted) return reject(new UprezError('aborted', closing ? 'The engine was closed' : 'The work was cancelled'))
      const stop = () => cancel(task)
      const answer = (answer: JobResult | UprezError) => {
        signal?.removeEventListener('abort', stop)
        if (answer instanceof UprezError) reject(answer)
        else resolve(answer)
      }
      const task: Task = { id: ++lastId, job, options, answer, answered: false, deaths: 0, mark: '', deadline: undefined }
      signal?.addEventListener('abort', stop)
      waiting.push(task)
      if (child) dispatch()
      else revive().catch(failAll)
    })
  }

  function start(): Promise<void> {
    return new Promise((resolve, reject) => {
      const started = forkChild(settings)
      let reason: UprezError | undefined
      child = started
      ready = false
      started.on('message', (message: FromChild) => {
        // A dead child's last words must not count for the job's second attempt.
        if (started !== child) return
        if (message.kind === 'unable') reason = reviveError(message.error)
        else if (message.kind !== 'ready') heard(message)
        else {
          ready = true
          resolve()
          dispatch()
        }
      })
      started.on('error', cause => {
        reason ??= new UprezError('engine-crashed', `The engine could not be started: ${cause.message}`, { cause })
        // What never started does not exit either.
        if (started.pid !== undefined) return
        child = undefined
        reject(reason)
      })
      started.on('exit', (code, signal) => {
        child = undefined
        if (ready) died()
        else
          reject(
            reason ??
              new UprezError(
                'engine-crashed',
                `The engine ended while starting: ${signal ?? `exit code ${code}`}`,
                signal ? { got: signal } : {},
              ),
          )
      })
    })
  }

  /** Starts, once more where a signal ended the child before it was ready: those who wait for it have done nothing wrong. */
  function revive(): Promise<void> {
    return start().catch((reason: UprezError) => {
      if (closing || reason.got === undefined) throw reason
      return start()
    })
  }

  function dispatch(): void {
    while (child && ready && waiting.length > 0 && running.size < places) {
      const alone = [waiting[0]!, ...running.values()].some(isSuspect)
      if (alone && running.size > 0) break
      const task = waiting.shift()!
      running.set(task.id, task)
      task.mark = `${child.pid}-${task.id}`
      send({ kind: 'job', id: task.id, job: task.job, mark: task.mark })
      watch(task)
    }
    if (child && ready) holdsProcess(child, running.size > 0)
  }

  function heard(message: Exclude<FromChild, { kind: 'ready' | 'unable' }>): void {
    const task = running.get(message.id)
    if (!task) return
    if (message.kind === 'patience') {
      watch(task, message.factor)
      return
    }
    if (message.kind === 'progress') {
      watch(task)
      if (!task.answered) task.options.onProgress?.(message.progress)
      return
    }
    running.delete(task.id)
    finish(task, message.kind === 'done' ? message.result : reviveError(message.error))
    dispatch()
  }

  function cancel(task: Task): void {
    const index = waiting.indexOf(task)
    if (index >= 0) waiting.splice(index, 1)
    // A running one keeps its place and its deadline until the child has let go of it.
    else send({ kind: 'cancel', id: task.id })
    answer(task, new UprezError('aborted', 'The work was cancelled'))
  }

  function watch(task: Task, patience = 1): void {
    clearTimeout(task.deadline)
    if (deadlineMs === 0 || patience === 0) return
    task.deadline = setTimeout(
      () => {
        hung ??= task
        child?.kill('SIGKILL')
      },
      Math.min(deadlineMs * patience, 2 ** 31 - 1),
    )
  }

  /** The child is gone without having been asked to. Its jobs are begun anew in the next one, once. */
  function died(): void {
    const lost = [...running.values()]
    running.clear()
    // Who hung is known, who crashed is not.
    const guilty = hung ? [hung] : lost
    for (const task of guilty) {
      if (++task.deaths < 2) continue
      const timeout = new UprezError('timeout', `The job gave no sign of life for ${deadlineMs} ms, twice`, {
        expected: `${deadlineMs} ms`,
      })
      const crash = new UprezError('engine-crashed', 'The engine stopped at this picture, twice')
      finish(task, hung ? timeout : crash)
    }
    hung = undefined
    for (const task of lost) sweep(task)
    waiting.unshift(...lost.filter(task => !task.answered))
    if (!closing) revive().catch(failAll)
  }

  async function close(): Promise<void> {
    failAll(new UprezError('aborted', 'The engine was closed'))
    if (!child) return
    const leaving = child
    holdsProcess(leaving, true)
    const gone = new Promise(resolve => leaving.once('exit', resolve))
    if (ready) send({ kind: 'close' })
    else leaving.kill('SIGKILL')
    const patience = setTimeout(() => leaving.kill('SIGKILL'), 5000)
    await gone
    clearTimeout(patience)
  }

  function failAll(reason: UprezError): void {
    for (const task of [...waiting.splice(0), ...running.values()]) finish(task, reason)
  }

  function send(message: ToChild): void {
    // A channel that broke is followed by the child's exit, which deals with its jobs.
    child?.send(message, () => {})
  }
}

function finish(task: Task, with_: JobResult | UprezError): void {
  clearTimeout(task.deadline)
  answer(task, with_)
}

/** Answers the caller, once. */
function answer(task: Task, with_: JobResult | UprezError): void {
  if (task.answered) return
  task.answered = true
  task.answer(with_)
}

/** Removes what a killed child left half-written. */
function sweep({ job, mark }: Task): void {
  if (job.output !== undefined) rm(temporaryPath(job.output, mark), { force: true }).catch(() => {})
}
