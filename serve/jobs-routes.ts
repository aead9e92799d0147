import { type Request, type RequestHandler, type Response, Router } from 'express'
import { z } from 'zod'
import { setResultHeaders } from './answer.js'
import { clientOf } from './client.js'
import type { createIntake } from './intake.js'
import type { Jobs, KeptJob } from './jobs.js'
import { streamEvents } from './jobs-events.js'
import { type JobView, pathOf, viewOf } from './jobs-view.js'
import type { ServerLimits } from './limits.js'
import { invalidOption } from './options.js'
import { methodNotAllowed } from './problem.js'

export interface JobRoutesOptions {
  jobs: Jobs
  take: ReturnType<typeof createIntake>
  limits: ServerLimits
  /** What stands before a new picture is let in. */
  guards: RequestHandler[]
}

/** An idle stream of events shows so often that it lives. */
const HEARTBEAT_MS = 15_000

/** `/jobs` and what is below it. A client that asks for another's job hears that there is none. */
export function jobRoutes({ jobs, take, limits, guards }: JobRoutesOptions): Router {
  const router = Router()
  router
    .route('/jobs')
    .post(...guards, create)
    .all(methodNotAllowed('POST'))
  router
    .route('/jobs/:id')
    .get(show)
    .delete(async (req, res) => {
      const { id } = req.params
      // What is no id is somewhere else than a job could be.
      if (!idSchema.safeParse(id).success) jobs.find(id, undefined)
      await jobs.remove(id, ownerIn(res))
      res.status(204).end()
    })
    .all(methodNotAllowed('GET', 'HEAD', 'DELETE'))
  router.route('/jobs/:id/result').get(sendResult).all(methodNotAllowed('GET', 'HEAD'))
  return router

  async function create(req: Request, res: Response): Promise<void> {
    const key = readKey(req)
    // With a key it may be one that is in the queue already.
    const counted = clientOf(req, res)
    if (key === undefined) jobs.checkRoom(counted)
    const job = await jobs.add(await take(req, res), { client: ownerIn(res), key, counted })
    res.status(202).set('Location', pathOf(job.id))
    sendView(res, job)
  }

  function show(req: Request, res: Response): void {
    const job = jobs.find(String(req.params.id), ownerIn(res))
    res.vary('Accept').set('Cache-Control', 'no-store')
    const wantsEvents = req.method === 'GET' && req.accepts(['application/json', 'text/event-stream']) === 'text/event-stream'
    if (wantsEvents) {
      streamEvents(req, res, job, () => view(job), jobs.clock, Math.min(HEARTBEAT_MS, limits.sendTimeoutMs / 2))
    } else sendView(res, job)
  }

  function sendResult(req: Request, res: Response, next: (error?: unknown) => void): void {
    const job = jobs.find(String(req.params.id), ownerIn(res))
    const path = jobs.resultOf(job)
    const { started = 0, created, order } = job
    const result = job.result!
    setResultHeaders(res, order, result, { ...result.stages, queue: started - created + result.stages.queue })
    res.set('Cache-Control', 'private, no-cache')
    res.sendFile(path, { cacheControl: false, lastModified: false, acceptRanges: false, dotfiles: 'allow' }, error => {
      // A client that left needs no answer.
      if (error) res.headersSent ? res.destroy() : next(error)
      else if (req.method === 'GET') jobs.delivered(job)
    })
  }

  function sendView(res: Response, job: KeptJob): void {
    res.set('Cache-Control', 'no-store').json(view(job))
  }

  function view(job: KeptJob): JobView {
    return viewOf(job, jobs.positionOf(job))
  }
}

export const idSchema = z.uuid()

export const keySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,255}$/)
  .describe('1 to 255 visible ASCII characters')

/** draft-ietf-httpapi-idempotency-key-header, except that any text will do, in quotes or without. */
function readKey(req: Request): string | undefined {
  const text = req.get('Idempotency-Key')
  if (text === undefined || keySchema.safeParse(text).success) return text
  throw invalidOption('Idempotency-Key', keySchema.description!, text)
}

/** Whose key it was; serve/keys.ts has settled it. */
const ownerIn = (res: Response): string | undefined => (res.locals as { client?: string }).client
