import type { Request, Response } from 'express'
import type { Clock } from './clock.js'
import { isFinal, type KeptJob } from './jobs.js'

/**
 * Tells of a job as it changes, as server-sent events (HTML Standard, section 9.2): the data of each is what `GET /jobs/:id` would
 * answer then. The stream ends with the final state; an EventSource that comes back for more is told with 204 that there is none.
 * @param heartbeatMs an idle stream shows in between that it lives
 */
export function streamEvents(req: Request, res: Response, job: KeptJob, view: () => object, clock: Clock, heartbeatMs: number): void {
  if (isFinal(job) && req.headers['last-event-id'] === String(job.revision)) return void res.status(204).end()
  // A proxy must not collect what is to be seen at once.
  res.set({ 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' })
  res.flushHeaders()

  let told = -1
  let rest = () => {}
  const tell = () => {
    // Of what a slow client has missed, the last is enough.
    if (res.writableNeedDrain || told === job.revision) return
    told = job.revision
    res.write(`id: ${told}\ndata: ${JSON.stringify(view())}\n\n`)
    if (isFinal(job)) leave()
    else beat()
  }
  const beat = () => {
    rest()
    rest = clock.after(heartbeatMs, () => {
      if (!res.writableNeedDrain) res.write(':\n\n')
      beat()
    })
  }
  const leave = () => {
    rest()
    job.listeners.delete(tell)
    res.end()
  }
  job.listeners.add(tell)
  res.on('drain', tell)
  res.once('close', leave)
  tell()
}
