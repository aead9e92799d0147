import { z } from 'zod'
import type { OutputFormat } from '../infer/engine.js'
import { MEDIA_TYPES } from './format.js'
import type { KeptJob } from './jobs.js'
import { problemFrom, problemSchema } from './problem.js'

/** What `GET /jobs/:id` tells; /openapi.json shows it. Times are ISO 8601 in UTC. */
export const jobSchema = z
  .strictObject({
    id: z.uuid(),
    state: z.enum(['queued', 'running', 'done', 'failed', 'cancelled']).describe('the last three are final'),
    position: z.int().min(0).nullable().describe('jobs before it and itself in the queue; 0 while it runs, null when it is over'),
    progress: z
      .strictObject({ done: z.int().min(0), total: z.int().min(0) })
      .describe('runs of the model; 0 of 0 until the picture was decoded. It begins anew where the engine had to'),
    created: z.iso.datetime(),
    started: z.iso.datetime().nullable(),
    finished: z.iso.datetime().nullable(),
    error: problemSchema.nullable().describe('why it failed or was cancelled'),
    result: z
      .strictObject({
        href: z.string(),
        format: z.enum(Object.keys(MEDIA_TYPES) as OutputFormat[]),
        width: z.int().min(1),
        height: z.int().min(1),
        bytes: z.int().min(1),
        expires: z.iso.datetime().describe('from then on 410; a full disk may bring that forward'),
      })
      .nullable(),
  })
  .meta({ id: 'Job' })

export type JobView = z.infer<typeof jobSchema>

/** @param position in the queue, from 1; undefined for a job that is not in it */
export function viewOf({ id, state, progress, created, started, finished, error, result }: KeptJob, position: number | undefined): JobView {
  return {
    id,
    state,
    position: state === 'running' ? 0 : (position ?? null),
    progress,
    created: iso(created),
    started: started === undefined ? null : iso(started),
    finished: finished === undefined ? null : iso(finished),
    error: error === undefined ? null : problemFrom(error),
    result: result === undefined ? null : resultView(id, result),
  }
}

function resultView(id: string, { format, width, height, bytes, expires }: NonNullable<KeptJob['result']>): JobView['result'] {
  return { href: `${pathOf(id)}/result`, format, width, height, bytes, expires: iso(expires) }
}

export const pathOf = (id: string): string => `/jobs/${id}`

const iso = (time: number): string => new Date(time).toISOString()
