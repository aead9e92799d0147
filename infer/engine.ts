import type { ChildProcess } from 'node:child_process'
import { reviveError, UprezError } from '../errors.js'
import type { Precision } from '../models/precision.js'
import { readSetting } from '../setting.js'
import { forkChild, holdsProcess } from './fork.js'
import type { Job, JobOptions, JobResult, Limits, LoadedModel, Measure } from './job.js'
import { ENGINE_SETTINGS, readLimits, readPrecision, readThreads } from './limits.js'
import { memoryAllowed } from './memory.js'
import type { AboutTask, ChildSettings, ChildState, FromChild, ToChild } from './protocol.js'
import { type Execution, ON_CPU } from './providers.js'
import { type Answer, answer, cancelled, finish, headOf, isSuspect, sweep, type Task } from './tasks.js'

export type { Job, JobOptions, JobResult, Limits, LoadedModel, Measure, OutputFormat, Stages } from './job.js'

/**
 * One forked child does all pixel work (see "Processes" in ARCHITECTURE.md); this file is its parent's side.
 * It never touches a pixel and loads neither sharp nor ONNX Runtime, so that whatever a picture does to
 * those, this process lives on, starts another child and gives it the jobs once more.
 */

export interface EngineOptions {
  /** ORT worker threads in the child; default UPREZ_THREADS, else the CPUs this process may use. */
  threads?: number
  /**
   * A job of which nothing was heard for so long (no tile done, no step finished) is taken for hung: the child is
   * killed and the job tried once more. Long steps get more (patience.ts). Default UPREZ_DEADLINE_MS, else 120 000 ms; 0 = none.
   */
  deadlineMs?: number
  /** Bytes that loaded models may take, by estimate. Default UPREZ_MODEL_MEMORY_BYTES, else half of the memory this process may use. */
  modelMemory?: number
  /** What models compute in; those without such a file are refused. Default UPREZ_PRECISION, else fp32. */
  precision?: Precision
  /** What computes: of `chooseProvider`, which has proven it. Default the CPU. */
  execution?: Execution
  limits?: Partial<Limits>
}

export interface Engine {
  /** @throws UprezError: see errors.ts */
  upscale(job: Job, options?: JobOptions): Promise<JobResult>
  /**
   * What a job amounts to, by the header of its picture; the same errors as `upscale` for what can be known without decoding.
   * It waits for no other job.
   * @throws UprezError
   */
  measure(job: Job, options?: Pick<JobOptions, 'signal'>): Promise<Measure>
  /** No job will ask for this model again: its memory is given back once the present ones are done. */
  forget(folder: string, version: string): void
  /** Finishes nothing: running jobs reject with `aborted`, the child exits. */
  close(): Promise<void>
  /** Process id of the present child (for health pages and tests that kill it). */
  readonly pid: number | undefined
  readonly state: EngineState
  /** Called with the result of every job, before its caller hears of it. */
  readonly listeners: Set<(result: JobResult) => void>
}

/** For metrics. What the child knows is as of its last word. */
export interface EngineState {
  /** Jobs that the child has not got yet, and jobs that it has. */
  waiting: number
  running: number
  /** Children that were replaced because they ended by themselves, hung, or ended while starting. */
  restarts: { crash: number; hang: number; start: number }
  /** Windows that models ran on. */
  tiles: number
  /** The ONNX Runtime provider that runs them; undefined where there is no child. */
  provider: string | undefined
  models: LoadedModel[]
  /** The child's resident memory in bytes; undefined where there is no child. */
  rss: number | undefined
}

/**
 * Starts the engine and waits until its child is ready. While no job runs, the child does not keep this process alive;
 * it ends by itself when this process does, however that ends.
 * @throws UprezError `invalid-option`, `engine-crashed` with the reason why the child cannot start
 */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const threads = readThreads(options.threads)
  const deadlineMs = readSetting('deadlineMs', ENGINE_SETTINGS.deadlineMs, options.deadlineMs) ?? ENGINE_SETTINGS.deadlineMs.fallback
  const modelMemory = readSetting('modelMemory', ENGINE_SETTINGS.modelMemory, options.modelMemory) ?? memoryAllowed() / 2
  const settings: ChildSettings = {
    threads,
    limits: readLimits(options.limits),
    modelMemory,
    precision: readPrecision(options.precision),
    execution: options.execution ?? ON_CPU,
  }
  // While as many run as there are threads, one more decodes and one encodes. The rest wait here, where they cost nothing.
  const places = threads + 2

  const waiting: Task[] = []
  const running = new Map<number, Task>()
  let lastId = 0
  let child: ChildProcess | undefined
  let ready = false
  let hung: Task | undefined
  let told: ChildState | undefined
  let earlierTiles = 0
  const restarts = { crash: 0, hang: 0, start: 0 }
  const listeners: Engine['listeners'] = new Set()
  let closing: Promise<void> | undefined

  await revive()
  return {
    upscale: (job, options = {}) => ask('job', job, options) as Promise<JobResult>,
    measure: (job, options = {}) => ask('measure', job, options) as Promise<Measure>,
    listeners,
    forget: (folder, version) => send({ kind: 'forget', folder, version }),
    close: () => {
      closing ??= close()
      return closing
    },
    get pid() {
      return child?.pid
    },
    get state() {
      const jobs = (tasks: Iterable<Task>) => [...tasks].filter(isJob).length
      return {
        waiting: jobs(waiting),
        running: jobs(running.values()),
        restarts: { ...restarts },
        tiles: earlierTiles + (told?.tiles ?? 0),
        provider: told?.provider,
        models: told?.models ?? [],
        rss: told?.rss,
      }
    },
  }

  function ask(kind: Task['kind'], job: Job, options: JobOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { signal } = options
      if (closing || signal?.aborted) return reject(closing ? closed() : cancelled())
      const stop = () => cancel(task)
      const answer = (answer: Answer | UprezError) => {
        signal?.removeEventListener('abort', stop)
        if (answer instanceof UprezError) reject(answer)
        else resolve(answer)
      }
      const fresh = { answered: false, deaths: 0, mark: '', patience: 1, deadline: undefined }
      const task: Task = { id: ++lastId, kind, job, options, answer, asked: performance.now(), waited: 0, ...fresh }
      signal?.addEventListener('abort', stop)
      const first = waiting.findIndex(other => isJob(other) && !isSuspect(other))
      // Measuring is quick, and who measures wants to know before he waits.
      if (kind === 'measure' && first >= 0) waiting.splice(first, 0, task)
      else waiting.push(task)
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
      const patience = deadlineMs === 0 ? undefined : setTimeout(() => started.kill('SIGKILL'), Math.max(deadlineMs, START_MS))
      started.on('message', (message: FromChild) => {
        // A dead child's last words must not count for the job's second attempt.
        if (started !== child) return
        if (message.kind === 'unable') reason = reviveError(message.error)
        else if (message.kind === 'state') told = message.state
        else if (message.kind !== 'ready') heard(message)
        else {
          ready = true
          clearTimeout(patience)
          resolve()
          dispatch()
        }
      })
      started.on('error', cause => {
        reason ??= new UprezError('engine-crashed', `The engine could not be started: ${cause.message}`, { cause })
        // What never started does not exit either.
        if (started.pid !== undefined) return
        clearTimeout(patience)
        child = undefined
        reject(reason)
      })
      started.on('exit', (code, signal) => {
        clearTimeout(patience)
        child = undefined
        earlierTiles += told?.tiles ?? 0
        told = undefined
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

  /** Starts, and again where a signal ended the child before it was ready: those who wait for it have done nothing wrong. */
  async function revive(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await start()
      } catch (reason) {
        const { got } = reason as UprezError
        if (closing || got === undefined || attempt === START_ATTEMPTS) throw reason
        restarts.start++
      }
    }
  }

  function dispatch(): void {
    while (child && ready && waiting.length > 0) {
      const next = waiting[0]!
      if (isJob(next) && [...running.values()].filter(isJob).length >= places) break
      const alone = [next, ...running.values()].some(isSuspect)
      if (alone && running.size > 0) break
      waiting.shift()
      running.set(next.id, next)
      begin(next, child)
    }
    // Whoever closes waits for the child's end, also once the last job has been heard of.
    if (child && ready && !closing) holdsProcess(child, running.size > 0)
  }

  function begin(task: Task, { pid }: ChildProcess): void {
    const { id, job } = task
    task.mark = `${pid}-${id}`
    task.patience = 1
    task.waited = performance.now() - task.asked
    send(isJob(task) ? { kind: 'job', id, job, mark: task.mark } : { kind: 'measure', id, ...headOf(job) })
    watch(task)
  }

  function heard(message: AboutTask): void {
    const task = running.get(message.id)
    if (!task) return
    if (message.kind === 'patience') task.patience = message.factor
    if (message.kind === 'progress' && !task.answered) task.options.onProgress?.(message.progress)
    if (message.kind === 'more') send({ kind: 'measure', id: task.id, job: task.job, whole: true })
    if (message.kind !== 'done' && message.kind !== 'failed') {
      watch(task)
      return
    }
    running.delete(task.id)
    const answer = message.kind === 'done' ? withWait(message.result, task) : reviveError(message.error)
    if ('stages' in answer) for (const listener of listeners) listener(answer)
    finish(task, answer)
    dispatch()
  }

  function cancel(task: Task): void {
    const index = waiting.indexOf(task)
    if (index >= 0) waiting.splice(index, 1)
    // A running one keeps its place and its deadline until the child has let go of it.
    else send({ kind: 'cancel', id: task.id })
    answer(task, cancelled())
  }

  function watch(task: Task): void {
    clearTimeout(task.deadline)
    if (deadlineMs === 0 || task.patience === 0) return
    const hangs = () => {
      hung ??= task
      child?.kill('SIGKILL')
    }
    task.deadline = setTimeout(hangs, Math.min(deadlineMs * task.patience, 2 ** 31 - 1))
  }

  /** The child is gone without having been asked to. Its jobs are begun anew in the next one, once. */
  function died(): void {
    const lost = [...running.values()]
    running.clear()
    if (!closing) restarts[hung ? 'hang' : 'crash']++
    // Who hung is known, who crashed is not.
    const guilty = hung ? [hung] : lost
    for (const task of guilty) {
      if (++task.deaths < 2) continue
      const limit = `${deadlineMs * task.patience} ms`
      const timeout = new UprezError('timeout', `The job gave no sign of life for ${limit}, twice`, { expected: limit })
      const crash = new UprezError('engine-crashed', 'The engine stopped at this picture, twice')
      finish(task, hung ? timeout : crash)
    }
    hung = undefined
    for (const task of lost) sweep(task)
    waiting.unshift(...lost.filter(task => !task.answered))
    if (!closing) revive().catch(failAll)
  }

  async function close(): Promise<void> {
    failAll(closed())
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

/** How often a child is started that a signal ends before it is ready. */
const START_ATTEMPTS = 5
/** A start may take so long at least, however short the deadline of jobs: a busy machine has much to load. */
const START_MS = 30_000

const isJob = ({ kind }: Task): boolean => kind === 'job'

/** The child does not know how long the job was here. */
function withWait(result: Answer, { waited }: Task): Answer {
  return 'stages' in result ? { ...result, stages: { ...result.stages, queue: result.stages.queue + waited } } : result
}

const closed = (): UprezError => new UprezError('aborted', 'The engine was closed')
