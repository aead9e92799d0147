import { addAbortSignal } from 'node:stream'
import type { RequestHandler, Response } from 'express'
import type { Engine } from '../infer/engine.js'
import { cutShort, setResultHeaders } from './answer.js'
import { negotiateFormat } from './format.js'
import type { createIntake } from './intake.js'
import { type JobsFolder, unnamed } from './jobs-folder.js'
import { largeFiles } from './large.js'
import type { ServerLimits } from './limits.js'
import { workOn } from './work.js'

/** `POST /upscale`: one picture in, the larger one out. */
export function upscaleRoute(
  engine: Engine,
  take: ReturnType<typeof createIntake>,
  limits: ServerLimits,
  folder: JobsFolder,
): RequestHandler {
  return async (req, res) => {
    const arrived = performance.now()
    const signal = abortedWhenGone(res)
    const order = await take(req, res)
    const format = order.work.format === 'auto' ? negotiateFormat(req, order.input) : order.work.format

    const large = largeFiles(folder)
    const input = await large.input(order.bytes)
    order.bytes = NOTHING
    const { bytes, ...result } = await workOn(engine, { ...order.work, input, format }, order.place, limits, signal, large.place).catch(
      async error => {
        await large.drop()
        throw signal.aborted ? error : unnamed(cutShort(error))
      },
    )
    const file = bytes ? undefined : await large.read()
    if (!file) void large.drop()
    order.place.holds(bytes?.length ?? 0)

    const total = performance.now() - arrived
    setResultHeaders(res, order, result, { upload: order.uploadMs, ...result.stages, total })
    // Not res.send: it would hash the whole picture for an ETag that nobody asks for.
    res.set('Content-Length', String(bytes?.length ?? file!.size))
    res.setTimeout(limits.sendTimeoutMs, () => res.destroy())
    res.locals.sending = performance.now()
    if (file) {
      addAbortSignal(signal, file.body)
        .once('close', large.drop)
        .once('error', () => res.destroy())
        .pipe(res)
    } else res.end(bytes)
  }
}

/** In place of an upload that the engine has. */
const NOTHING = new Uint8Array()

function abortedWhenGone(res: Response): AbortSignal {
  const controller = new AbortController()
  res.once('close', () => {
    if (!res.writableFinished) controller.abort()
  })
  return controller.signal
}
