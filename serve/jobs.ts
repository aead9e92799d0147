import { randomUUID, webcrypto } from 'node:crypto'
import { stat } from 'node:fs/promises'
import type { Logger } from 'pino'
import { ERROR_TABLE, UprezError } from '../errors.js'
import { sha256Of } from '../file-sum.js'
import type { Engine, JobResult } from '../infer/engine.js'
import type { Progress } from '../infer/upscaler.js'
import { tooManyOfOne } from './admission.js'
import { cutShort, shuttingDown } from './answer.js'
import { type Clock, wallClock } from './clock.js'
import type { Order } from './intake.js'
import { type JobsFolder, storageError } from './jobs-folder.js'
import type { ServerLimits } from './limits.js'
import { upscaleInTime } from './work.js'

/**
 * Long work: pictures that are upscaled after their request was answered, a few at a time, in the order they came. Uploads and
 * results lie on disk, so that a long queue costs no memory. Jobs are this process's: they end with it.
 */
export interface Jobs {
  readonly clock: Clock
  readonly folder: JobsFolder
  /**
   * Queues a picture; with a key that is known, finds the job of before.
   * @throws UprezError `busy`, `rate-limited`, `no-space`, `key-reused`
   */
  add(order: Order, owner: Owner): Promise<KeptJob>
  /** To be asked before the picture is read. @throws UprezError `busy`, `rate-limited` */
  checkRoom(counted: string): void
  /** @throws UprezError `not-found`, for another client's job too */
  find(id: string, client: string | undefined): KeptJob
  /** Place in the queue, from 1; undefined where it is not in it. */
  positionOf(job: KeptJob): number | undefined
  /** Path of the result. @throws UprezError `job-unfinished`, `result-expired`, or what the job failed with */
  resultOf(job: KeptJob): string
  /** The result has reached the client. */
  delivered(job: KeptJob): void
  /** Cancels and forgets a job, if it is there and the client's. */
  remove(id: string, client: string | undefined): Promise<void>
  /** Begins nothing more; resolves when what runs is finished and has been fetched. */
  drain(): Promise<void>
  /** Ends everything and removes the files. */
  close(): Promise<void>
}

/** Who asks, and by which key he wants to find the job again (`Idempotency-Key`). */
export interface Owner {
  client: string | undefined
  key: string | undefined
  /** Whose unfinished jobs are counted together, and whose keys are one space: `clientOf`. */
  counted: string
}

export interface KeptJob {
  readonly id: string
  readonly order: Pick<Order, 'name' | 'scale' | 'work'>
  readonly owner: Owner
  state: 'queued' | 'running' | 'done' | 'failed' | 'cancelled'
  progress: Progress
  created: number
  started: number | undefined
  finished: number | undefined
  error: UprezError | undefined
  result: (Omit<JobResult, 'bytes'> & { bytes: number; expires: number }) | undefined
  /** Called after every change; `revision` counts them. */
  readonly listeners: Set<() => void>
  revision: number
}

/** The part of a job that is nobody else's business. */
interface Entry extends KeptJob {
  /** Where it stands among the keys, and the sum over its picture and options. */
  handle: string | undefined
  content: string | undefined
  stored: Promise<void>
  abort: AbortController
  /** On disk. */
  bytes: number
  /** Calls its expiry off. */
  keep: () => void
}

export interface JobsOptions {
  engine: Engine
  limits: ServerLimits
  folder: JobsFolder
  log: Logger
  clock?: Clock
}

export const isFinal = ({ state }: KeptJob): boolean => state !== 'queued' && state !== 'running'

export function openJobs({ engine, limits, folder, log, clock = wallClock }: JobsOptions): Jobs {
  const jobs = new Map<string, Entry>()
  const keys = new Map<string, Entry>()
  const queue: Entry[] = []
  const running = new Map<Entry, Promise<void>>()
  /** Oldest first. */
  const finished = new Set<Entry>()
  const undelivered = new Set<KeptJob>()
  /** Bytes on disk. */
  let used = 0
  let drained: (() => void) | undefined
  let closing = false

  return {
    clock,
    folder,
    async add(order, owner) {
      const content = owner.key === undefined ? undefined : await contentOf(order)
      const handle = handleOf(owner)
      const known = handle === undefined ? undefined : keys.get(handle)
      if (known) {
        if (known.content !== content) throw keyReused(owner.key!)
        return known
      }
      if (closing) throw shuttingDown()
      if (order.upload.size > limits.jobsMaxBytes) throw tooBig(order.upload.size, limits)
      checkRoom(owner.counted)
      if (!makeRoom(order.upload.size)) throw queueFull(limits)
      const job = createEntry(order, owner, handle, content)
      await job.stored.catch(async cause => {
        const error = storageError(cause)
        finish(job, 'failed', error)
        await forget(job)
        throw error
      })
      return job
    },
    checkRoom,
    find(id, client) {
      const job = lookUp(id, client)
      if (job) return job
      throw new UprezError('not-found', 'No such job is here: it never was, was deleted, or was finished long ago', {
        param: 'id',
        expected: 'the id of a job',
        got: id.slice(0, 60),
      })
    },
    positionOf(job) {
      const index = queue.indexOf(job as Entry)
      return index < 0 ? undefined : index + 1
    },
    resultOf(job) {
      if (job.error) throw job.error
      if (!job.result) throw unfinished(job)
      if (job.result.expires <= clock.now()) throw expired(job.result.expires)
      return folder.outputOf(job.id)
    },
    delivered: settle,
    async remove(id, client) {
      const job = lookUp(id, client)
      if (!job) return
      if (!isFinal(job)) finish(job, 'cancelled', new UprezError('aborted', 'The job was deleted'))
      await forget(job)
    },
    async drain() {
      stop()
      for (const job of running.keys()) if (!isFinal(job)) undelivered.add(job)
      if (undelivered.size > 0) await new Promise<void>(resolve => (drained = resolve))
    },
    async close() {
      stop()
      for (const job of running.keys()) if (!isFinal(job)) finish(job, 'failed', shuttingDown())
      for (const job of jobs.values()) job.keep()
      await Promise.all(running.values())
      await folder.close()
    },
  }

  function createEntry({ upload, name, scale, work }: Order, owner: Owner, handle: string | undefined, content: string | undefined): Entry {
    const id = randomUUID()
    const job: Entry = {
      id,
      order: { name, scale, work },
      owner,
      state: 'queued',
      progress: { done: 0, total: 0 },
      created: clock.now(),
      started: undefined,
      finished: undefined,
      error: undefined,
      result: undefined,
      listeners: new Set(),
      revision: 0,
      handle,
      content,
      stored: folder.make(id).then(() => folder.store(id, upload.input)),
      abort: new AbortController(),
      bytes: 0,
      keep: () => {},
    }
    holds(job, upload.size)
    jobs.set(id, job)
    if (handle !== undefined) keys.set(handle, job)
    queue.push(job)
    dispatch()
    return job
  }

  function dispatch(): void {
    while (!closing && running.size < limits.maxRunningJobs && queue.length > 0) {
      const job = queue.shift()!
      job.state = 'running'
      job.started = clock.now()
      const work = run(job).finally(() => {
        running.delete(job)
        dispatch()
      })
      running.set(job, work)
      changed(job)
      queue.forEach(changed)
    }
  }

  async function run(job: Entry): Promise<void> {
    const { id, order, abort } = job
    const output = folder.outputOf(id)
    const onProgress = (progress: Progress) => {
      job.progress = progress
      changed(job)
    }
    try {
      await job.stored
      const work = { ...order.work, input: { path: folder.inputOf(id) }, output }
      const { signal } = abort
      const deadline = { ms: limits.jobDeadlineMs, settings: 'UPREZ_JOB_DEADLINE_MS' }
      const { bytes: _, ...result } = await upscaleInTime(engine, work, deadline, { signal, onProgress }, clock)
      const { size } = await stat(output)
      await folder.dropInput(id)
      if (isFinal(job)) return
      holds(job, 0)
      if (!makeRoom(size)) return await fail(job, size > limits.jobsMaxBytes ? tooBig(size, limits) : noRoomFor(size, limits))
      holds(job, size)
      job.result = { ...result, bytes: size, expires: clock.now() + limits.jobTtlMs }
      finish(job, 'done')
    } catch (error) {
      if (isFinal(job)) return
      const reason = storageError(cutShort(error))
      if (ERROR_TABLE[reason.code].status === 500) log.error({ err: error, job: id })
      await fail(job, reason)
    }
  }

  async function fail(job: Entry, reason: UprezError): Promise<void> {
    await folder.drop(job.id).catch(() => {})
    holds(job, 0)
    if (!isFinal(job)) finish(job, 'failed', reason)
  }

  function finish(job: Entry, state: KeptJob['state'], error?: UprezError): void {
    const index = queue.indexOf(job)
    if (index >= 0) queue.splice(index, 1)
    job.state = state
    job.error = error
    job.finished = clock.now()
    job.keep = clock.after(limits.jobTtlMs, () => expire(job))
    finished.add(job)
    job.abort.abort()
    changed(job)
    if (index >= 0) queue.slice(index).forEach(changed)
    if (state !== 'done') settle(job)
    for (const oldest of finished) {
      if (finished.size <= limits.maxKeptJobs) break
      void forget(oldest)
    }
  }

  /** The result and the key go, what became of the job stays known. */
  function expire(job: Entry): Promise<void> {
    job.keep()
    holds(job, 0)
    if (job.result) job.result.expires = Math.min(job.result.expires, clock.now())
    if (job.handle !== undefined && keys.get(job.handle) === job) keys.delete(job.handle)
    settle(job)
    // What is still being written would come after.
    return job.stored
      .catch(() => {})
      .then(() => folder.drop(job.id))
      .catch(error => log.error({ err: error, job: job.id }))
  }

  function forget(job: Entry): Promise<void> {
    finished.delete(job)
    jobs.delete(job.id)
    const index = queue.indexOf(job)
    if (index >= 0) queue.splice(index, 1)
    return expire(job)
  }

  /** Lets the oldest results go where so many bytes will then fit. @returns whether they do */
  function makeRoom(bytes: number): boolean {
    const unfinished = used - [...finished].reduce((sum, job) => sum + job.bytes, 0)
    if (unfinished + bytes > limits.jobsMaxBytes) return false
    for (const oldest of finished) {
      if (used + bytes <= limits.jobsMaxBytes) break
      if (oldest.bytes > 0) void expire(oldest)
    }
    return true
  }

  function holds(job: Entry, bytes: number): void {
    used += bytes - job.bytes
    job.bytes = bytes
  }

  function stop(): void {
    closing = true
    for (const job of [...queue]) finish(job, 'cancelled', shuttingDown())
  }

  function settle(job: KeptJob): void {
    undelivered.delete(job)
    if (undelivered.size === 0) drained?.()
  }

  function lookUp(id: string, client: string | undefined): Entry | undefined {
    const job = jobs.get(id)
    return job?.owner.client === client ? job : undefined
  }

  function checkRoom(counted: string): void {
    const { clientInFlight, maxQueuedJobs } = limits
    const own = [...queue, ...running.keys()].filter(job => job.owner.counted === counted && !isFinal(job)).length
    if (clientInFlight > 0 && own >= clientInFlight) throw tooManyOfOne(clientInFlight)
    if (queue.length >= maxQueuedJobs) throw queueFull(limits)
  }
}

function changed(job: KeptJob): void {
  job.revision++
  for (const listener of job.listeners) listener()
}

/** Neither holds a line break, so no two pairs look alike. */
const handleOf = ({ counted, key }: Owner): string | undefined => (key === undefined ? undefined : `${counted}\n${key}`)

async function contentOf({ upload: { input }, work: { version: _, ...asked } }: Order): Promise<string> {
  const sum = 'path' in input ? await sha256Of(input.path) : await sha256OfBytes(input.bytes)
  return `${sum} ${JSON.stringify(Object.entries(asked).sort())}`
}

/** Off this thread: a picture takes its time. */
async function sha256OfBytes(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex')
}

/** Where our files lie is not the client's business. */
function tooBig(bytes: number, { jobsMaxBytes }: ServerLimits): UprezError {
  const expected = `at most ${jobsMaxBytes} bytes`
  return new UprezError('no-space', `Expected ${expected} (UPREZ_JOBS_MAX_BYTES) for all jobs together but this one needs ${bytes}`, {
    expected,
    got: `${bytes} bytes`,
  })
}

function noRoomFor(bytes: number, { jobsMaxBytes }: ServerLimits): UprezError {
  const expected = `room for it beside unfinished jobs, among ${jobsMaxBytes} bytes for all`
  const message = `The result has ${bytes} bytes; expected ${expected} (UPREZ_JOBS_MAX_BYTES); try again when some are done`
  return new UprezError('no-space', message, { expected, got: `${bytes} bytes` })
}

function queueFull({ maxQueuedJobs, jobsMaxBytes }: ServerLimits): UprezError {
  const expected = `at most ${maxQueuedJobs} jobs in the queue, and ${jobsMaxBytes} bytes`
  return new UprezError('busy', `Expected ${expected}; try again when some are done`, { expected })
}

function keyReused(key: string): UprezError {
  const got = key.slice(0, 60)
  return new UprezError('key-reused', `The Idempotency-Key ${got} belongs to a job with another picture or other options`, {
    param: 'Idempotency-Key',
    expected: 'a new key, or what was sent with it before',
    got,
  })
}

function unfinished({ state }: KeptJob): UprezError {
  return new UprezError('job-unfinished', `The job is ${state}; there is no result yet`, { expected: 'a job that is done', got: state })
}

function expired(since: number): UprezError {
  const got = new Date(since).toISOString()
  return new UprezError('result-expired', `The result was kept until ${got}`, { expected: 'a request before that', got })
}
