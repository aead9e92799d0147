import { rm } from 'node:fs/promises'
import { temporaryPath } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { Job, JobOptions, JobResult, Measure } from './job.js'
import { HEAD_BYTES } from './sniff.js'

/** A job, or the measurement of one, on its way from the call to its answer. */
export interface Task {
  id: number
  kind: 'job' | 'measure'
  job: Job
  options: JobOptions
  answer: (answer: Answer | UprezError) => void
  /** Answered already (cancelled), though the child may still be at it. */
  answered: boolean
  /** Children that died under it. A second one and the job is given up. */
  deaths: number
  /** Part of the temporary file's name in the present attempt. */
  mark: string
  /** How many usual deadlines the next sign of life may take; 0: any time. */
  patience: number
  deadline: NodeJS.Timeout | undefined
  /** When it was asked for (performance.now()), and how many milliseconds later a child got it last. */
  asked: number
  waited: number
}

export type Answer = JobResult | Measure

/** A child died under it, and the next may as well: it runs alone, so that no other job is lost with it. */
export const isSuspect = (task: Task): boolean => task.deaths > 0

export function finish(task: Task, with_: Answer | UprezError): void {
  clearTimeout(task.deadline)
  answer(task, with_)
}

/** Answers the caller, once. */
export function answer(task: Task, with_: Answer | UprezError): void {
  if (task.answered) return
  task.answered = true
  task.answer(with_)
}

/** Removes what a killed child left half-written. */
export function sweep({ job, mark }: Task): void {
  if (job.output !== undefined) rm(temporaryPath(job.output, mark), { force: true }).catch(() => {})
}

/** The job as it is sent to be measured: without the pixels, as far as that goes. */
export function headOf(job: Job): { job: Job; whole: boolean } {
  if ('path' in job.input || job.input.bytes.length <= HEAD_BYTES) return { job, whole: true }
  return { job: { ...job, input: { bytes: job.input.bytes.subarray(0, HEAD_BYTES) } }, whole: false }
}

export const cancelled = (): UprezError => new UprezError('aborted', 'The work was cancelled')
