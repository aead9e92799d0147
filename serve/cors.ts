import cors from 'cors'
import type { RequestHandler } from 'express'
import { UprezError } from '../errors.js'

/**
 * Lets pages of these origins call the server (the Fetch standard, section 3.2). "*" stands for all. Without origins, none may.
 * @throws UprezError `invalid-option` for what is no origin
 */
export function crossOrigin(origins: readonly string[]): RequestHandler[] {
  if (origins.length === 0) return []
  for (const origin of origins) if (origin !== '*' && originOf(origin) !== origin) throw notAnOrigin(origin)
  return [
    cors({
      origin: origins.includes('*') ? '*' : [...origins],
      methods: ['GET', 'HEAD', 'POST', 'DELETE'],
      allowedHeaders: ['Authorization', 'X-API-Key', 'Content-Type', 'Idempotency-Key'],
      exposedHeaders: EXPOSED,
      maxAge: 600,
    }),
    // A page that is cross-origin isolated takes only what says this.
    (_req, res, next) => {
      res.set('Cross-Origin-Resource-Policy', 'cross-origin')
      next()
    },
  ]
}

const EXPOSED = [
  'Content-Disposition',
  'Location',
  'Retry-After',
  'Server-Timing',
  'X-Model',
  'X-Request-Id',
  'X-Uprez-Height',
  'X-Uprez-Model',
  'X-Uprez-Provider',
  'X-Uprez-Scale',
  'X-Uprez-Width',
]

function originOf(text: string): string | undefined {
  try {
    return new URL(text).origin
  } catch {
    return undefined
  }
}

function notAnOrigin(got: string): UprezError {
  const expected = 'an origin such as https://example.org (scheme, host, port; no path), or *'
  return new UprezError('invalid-option', `Expected ${expected} for cors but received ${got}`, { param: 'cors', expected, got })
}
