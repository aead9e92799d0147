import { randomUUID } from 'node:crypto'
import type { RequestHandler } from 'express'
import type { Logger } from 'pino'

/**
 * One line per request, written when it is over: how it went, never what was in it. Each has an id, which the answer tells in
 * X-Request-Id; one that a proxy gave it is kept.
 */
export function requestLog(log: Logger): RequestHandler {
  return (req, res, next) => {
    const began = performance.now()
    // Express shortens `req.url` while it routes.
    const { method, path } = req
    const id = idOf(req.headers['x-request-id'])
    res.locals.requestId = id
    res.set('X-Request-Id', id)
    res.once('close', () => {
      const status = res.writableFinished ? res.statusCode : 499
      const { code, bytesIn, client } = res.locals as { code?: string; bytesIn?: number; client?: string }
      const bytesOut = Number(res.getHeader('Content-Length')) || undefined
      const ms = Number((performance.now() - began).toFixed(1))
      const failed = code ?? (status === 499 ? 'aborted' : undefined)
      log.info({ id, method, path: path.slice(0, 200), status, ms, code: failed, client, bytesIn, bytesOut })
    })
    next()
  }
}

function idOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[\w.:/+=-]{1,64}$/.test(given) ? given : randomUUID()
}
