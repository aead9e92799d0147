import { UprezError } from '../errors.js'
import { defined } from '../infer/defined.js'
import type { Engine, Job, JobResult, Measure } from '../infer/engine.js'
import type { Place } from './admission.js'
import type { ServerLimits } from './limits.js'

type Deadlines = Pick<ServerLimits, 'requestDeadlineMs' | 'deadlinePerMegapixelMs'>

/**
 * Has a picture made: measured by its header first, let in by its megapixels, given up at its deadline, which grows with them.
 * @param outputFor where the result is to be written, if that depends on its size
 * @throws UprezError `busy`, `timeout`, `aborted` after the signal, and what the engine throws
 */
export async function workOn(
  engine: Engine,
  job: Job,
  place: Place,
  limits: Deadlines,
  signal: AbortSignal,
  outputFor: (measure: Measure) => Promise<string | undefined> = async () => job.output,
): Promise<JobResult> {
  const measure = await engine.measure(job, { signal })
  const megapixels = measure.work / 1e6
  place.works(megapixels)
  const stop = new AbortController()
  const abort = () => stop.abort()
  const { requestDeadlineMs, deadlinePerMegapixelMs } = limits
  const patience = Math.min(requestDeadlineMs + deadlinePerMegapixelMs * megapixels, 2 ** 31 - 1)
  const timer = requestDeadlineMs === 0 ? undefined : setTimeout(abort, patience)
  signal.addEventListener('abort', abort)
  try {
    const result = await engine.upscale({ ...job, ...defined({ output: await outputFor(measure) }) }, { signal: stop.signal })
    place.worked()
    return result
  } catch (error) {
    throw stop.signal.aborted && !signal.aborted ? tooLate(patience) : error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
  }
}

function tooLate(patience: number): UprezError {
  const expected = `${Math.round(patience)} ms`
  return new UprezError(
    'timeout',
    `The picture was not done within ${expected} (UPREZ_REQUEST_DEADLINE_MS, UPREZ_DEADLINE_PER_MEGAPIXEL_MS)`,
    {
      expected,
    },
  )
}
