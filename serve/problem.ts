import type { ErrorRequestHandler, RequestHandler } from 'express'
import type { Logger } from 'pino'
import { z } from 'zod'
import { ERROR_TABLE, type ErrorCode, UprezError } from '../errors.js'
import { hangUpUnlessRead } from './hangup.js'

/** The body of every answer that is an error, RFC 9457. */
export const problemSchema = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string(),
    code: z.enum(Object.keys(ERROR_TABLE)).describe('stable'),
    param: z.string().optional().describe('the option, field or header it is about'),
    expected: z.string().optional().describe('what would have been right'),
    got: z.string().optional().describe('what came instead'),
  })
  .meta({ id: 'Problem' })

export type Problem = z.infer<typeof problemSchema>

/** `application/problem+json` */
export const PROBLEM_TYPE = 'application/problem+json'

export function problemFrom({ code, message, param, expected, got }: UprezError): Problem {
  const { status, title } = ERROR_TABLE[code]
  const isOurs = OURS.includes(code)
  const detail = isOurs ? `${title}; the log of the server says more` : message
  const about = isOurs ? {} : { param, expected, got }
  return JSON.parse(JSON.stringify({ type: `urn:uprez:problem:${code}`, title, status, detail, code, ...about })) as Problem
}

/** Not the client's doing: what they say, paths of our files among it, is for the log. */
const OURS: ErrorCode[] = ['internal', 'model-mismatch', 'invalid-card', 'provider-unavailable', 'not-writable', 'no-input']

/** Answers every error that a route throws. */
export function problemHandler(log: Logger): ErrorRequestHandler {
  return (thrown, req, res, _next) => {
    const error = ours(thrown)
    const problem = problemFrom(error)
    res.locals.code = problem.code
    if (problem.status === 500) log.error({ err: thrown, id: res.locals.requestId })
    // Too late to say so: a broken answer must not look like a whole one.
    if (res.headersSent) return void res.destroy()
    res.removeHeader('ETag')
    res.set('Cache-Control', 'no-store')
    const { retryAfter = problem.code === 'busy' ? 2 : undefined } = error
    if (retryAfter !== undefined) res.set('Retry-After', String(retryAfter))
    hangUpUnlessRead(req, res)
    res
      .status(problem.status)
      .type(PROBLEM_TYPE)
      .end(`${JSON.stringify(problem)}\n`)
  }
}

export const notFound: RequestHandler = (req, _res, next) => {
  const got = req.path.slice(0, 100)
  next(
    new UprezError('not-found', `Nothing is at ${got}`, {
      param: 'path',
      expected: 'POST /upscale, POST /jobs, GET /models, /docs, /healthz, /readyz or /',
      got,
    }),
  )
}

export function methodNotAllowed(...allowed: string[]): RequestHandler {
  return (req, res, next) => {
    const expected = allowed.join(' or ')
    res.set('Allow', allowed.join(', '))
    next(
      new UprezError('method-not-allowed', `Expected ${expected} for ${req.path} but received ${req.method}`, {
        param: 'method',
        expected,
        got: req.method,
      }),
    )
  }
}

/** Express and its libraries mark what the client did wrong with a 4xx status. */
function ours(thrown: unknown): UprezError {
  if (thrown instanceof UprezError) return thrown
  const { status, message } = (thrown ?? {}) as { status?: unknown; message?: string }
  if (status === 404) return new UprezError('not-found', 'Nothing is there')
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new UprezError('bad-request', message ?? 'The request could not be understood')
  return new UprezError('internal', message ?? String(thrown), { cause: thrown })
}
