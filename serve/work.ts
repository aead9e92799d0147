import { UprezError } from '../errors.js'
import { defined } from '../infer/defined.js'
import type { Engine, Job, JobOptions, JobResult, Measure } from '../infer/engine.js'
import type { Place } from './admission.js'
import { type Clock, wallClock } from './clock.js'
import type { ServerLimits } from './limits.js'

type Deadlines = Pick<ServerLimits, 'requestDeadlineMs' | 'deadlinePerMegapixelMs'>

/**
 * Has a picture made for somebody who waits: measured by its header first, let in by its megapixels, given up at its deadline.
 * @param outputFor where the result is to be written, if that depends on its size
 * @throws UprezError `busy`, `timeout`, `aborted` after the signal, and what the engine throws
 */
export async function workOn(
  engine: Engine,
  job: Job,
  place: Place,
  limits: Deadlines,
  signal: AbortSignal,
  outputFor: (measure: Measure) => Promise<string | undefined>,
): Promise<JobResult> {
  const measure = await engine.measure(job, { signal })
  place.works(measure.work / 1e6)
  const output = await outputFor(measure)
  const result = await upscaleInTime(engine, { ...job, ...defined({ output }) }, deadlineOf(measure, limits), { signal })
  place.worked()
  return result
}

/** Until when a picture must be done, from when it is given to the engine. */
export interface Deadline {
  /** 0: it has all the time. */
  ms: number
  /** The settings it comes from, for the message. */
  settings: string
}

/** @throws UprezError `timeout`, `aborted` after the signal, and what the engine throws */
export async function upscaleInTime(
  engine: Engine,
  job: Job,
  { ms, settings }: Deadline,
  { signal, ...options }: JobOptions & { signal: AbortSignal },
  clock: Clock = wallClock,
): Promise<JobResult> {
  const late = new AbortController()
  const callOff = ms === 0 ? undefined : clock.after(ms, () => late.abort())
  try {
    return await engine.upscale(job, { ...options, signal: AbortSignal.any([signal, late.signal]) })
  } catch (error) {
    if (!late.signal.aborted || signal.aborted) throw error
    const expected = `${Math.round(ms)} ms`
    throw new UprezError('timeout', `The picture was not done within ${expected} (${settings})`, { expected })
  } finally {
    callOff?.()
  }
}

/** Somebody waits: the more megapixels, the longer. */
function deadlineOf({ work }: Measure, { requestDeadlineMs, deadlinePerMegapixelMs }: Deadlines): Deadline {
  const patience = Math.min(requestDeadlineMs + (deadlinePerMegapixelMs * work) / 1e6, 2 ** 31 - 1)
  return {
    ms: requestDeadlineMs === 0 ? 0 : patience,
    settings: 'UPREZ_REQUEST_DEADLINE_MS, UPREZ_DEADLINE_PER_MEGAPIXEL_MS',
  }
}
