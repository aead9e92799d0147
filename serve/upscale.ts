import { addAbortSignal } from 'node:stream'
import type { RequestHandler, Response } from 'express'
import type { Engine } from '../infer/engine.js'
import { cutShort, setResultHeaders } from './answer.js'
import { negotiateFormat } from './format.js'
import type { createIntake } from './intake.js'
import { unnamed } from './jobs-folder.js'
import type { ServerLimits } from './limits.js'
import { workOn } from './work.js'

/** `POST /upscale`: one picture in, the larger one out. */
export function upscaleRoute(engine: Engine, take: ReturnType<typeof createIntake>, limits: ServerLimits): RequestHandler {
  return async (req, res) => {
    const arrived = performance.now()
    const signal = abortedWhenGone(res)
    const order = await take(req, res)
    const format = order.work.format === 'auto' ? negotiateFormat(req, order.input) : order.work.format

    const { files, place, upload, work } = order
    const { bytes, ...result } = await workOn(engine, { ...work, input: upload.input, format }, place, limits, signal, files.place).catch(
      error => {
        throw signal.aborted ? error : unnamed(cutShort(error))
      },
    )
    const file = bytes ? undefined : await files.read()
    place.holds(bytes?.length ?? 0)

    const total = performance.now() - arrived
    setResultHeaders(res, order, result, { upload: order.uploadMs, ...result.stages, total })
    // Not res.send: it would hash the whole picture for an ETag that nobody asks for.
    res.set('Content-Length', String(bytes?.length ?? file!.size))
    res.setTimeout(limits.sendTimeoutMs, () => res.destroy())
    res.locals.sending = performance.now()
    if (file) {
      addAbortSignal(signal, file.body)
        .once('error', () => res.destroy())
        .pipe(res)
    } else res.end(bytes)
  }
}

function abortedWhenGone(res: Response): AbortSignal {
  const controller = new AbortController()
  res.once('close', () => {
    if (!res.writableFinished) controller.abort()
  })
  return controller.signal
}
