import type { RequestHandler } from 'express'
import type { Logger } from 'pino'

/** One line per request, written when it is over: how it went, never what was in it. */
export function requestLog(log: Logger): RequestHandler {
  return (req, res, next) => {
    const began = performance.now()
    // Express shortens `req.url` while it routes.
    const { method, path } = req
    res.once('close', () => {
      const status = res.writableFinished ? res.statusCode : 499
      const { code, bytesIn } = res.locals as { code?: string; bytesIn?: number }
      const bytesOut = Number(res.getHeader('Content-Length')) || undefined
      const ms = Number((performance.now() - began).toFixed(1))
      log.info({ method, path: path.slice(0, 200), status, ms, code: code ?? (status === 499 ? 'aborted' : undefined), bytesIn, bytesOut })
    })
    next()
  }
}
