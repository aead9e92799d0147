import type { Request, Response } from 'express'
import { ipKeyGenerator } from 'express-rate-limit'

/** Who is counted as one: the owner of an API key, else an address (of version 6 its network, which is one household's). */
export function clientOf(req: Request, res: Response): string {
  const { client } = res.locals as { client?: string }
  return client === undefined ? ipKeyGenerator(req.ip ?? '') : `key ${client}`
}
