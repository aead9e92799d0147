import type { Request, RequestHandler, Response } from 'express'
import { ipKeyGenerator } from 'express-rate-limit'
import type { Logger } from 'pino'
import type { ServerLimits } from './limits.js'

/** Who is counted as one: the owner of an API key, else an address (of version 6 its network, which is one household's). */
export function clientOf(req: Request, res: Response): string {
  const { client } = res.locals as { client?: string }
  return client === undefined ? ipKeyGenerator(req.ip ?? '') : `key ${client}`
}

/** A proxy that nobody announced makes everybody one address. Where addresses are counted that is said, once. */
export function noteUnannouncedProxy(limits: ServerLimits, log: Logger): RequestHandler {
  const { trustedProxies, clientInFlight, rateLimit } = limits
  let silent = trustedProxies > 0 || (clientInFlight === 0 && rateLimit === 0)
  return (req, _res, next) => {
    if (!silent && req.headers['x-forwarded-for'] !== undefined) {
      silent = true
      log.warn('X-Forwarded-For came, but TRUST_PROXY is 0: all who come through that proxy are counted as one client')
    }
    next()
  }
}
