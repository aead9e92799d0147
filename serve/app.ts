import { fileURLToPath } from 'node:url'
import type { Express, RequestHandler } from 'express'
import express from 'express'
import { rateLimit } from 'express-rate-limit'
import { type Logger, pino } from 'pino'
import { UprezError } from '../errors.js'
import type { Engine } from '../infer/engine.js'
import type { Choice } from '../infer/providers.js'
import { createAdmission } from './admission.js'
import { shuttingDown } from './answer.js'
import { clientOf, noteUnannouncedProxy } from './client.js'
import { crossOrigin } from './cors.js'
import { inferenceHealthRoutes, inferenceMetadataRoutes } from './inference-protocol.js'
import { createIntake } from './intake.js'
import type { Jobs } from './jobs.js'
import { jobRoutes } from './jobs-routes.js'
import { type Keys, requireKey } from './keys.js'
import type { ServerLimits } from './limits.js'
import { readServerLimits } from './limits.js'
import { requestLog } from './log.js'
import { createMetrics } from './metrics.js'
import type { Shelf } from './models.js'
import { fileRoute, listRoute } from './models.js'
import { apiRoutes } from './openapi-routes.js'
import { page, securityHeaders } from './page.js'
import { methodNotAllowed, notFound, problemHandler } from './problem.js'
import { upscaleRoute } from './upscale.js'

export interface AppOptions {
  engine: Engine
  shelf: Shelf
  jobs: Jobs
  limits?: ServerLimits
  /** What `/readyz` says; the caller changes it. */
  state: ServerState
  log?: Logger
  /** Who may use it; without, everybody who reaches it. */
  keys?: Keys | undefined
  /** Origins of pages that may call it. */
  cors?: readonly string[]
  /** What is computed with, and why not with the rest: for `/readyz` and `/metrics`. */
  choice?: Choice
  /** Folder of the built page. */
  pageFolder?: string
}

export interface ServerState {
  /** The engine has answered its warm-up. */
  ready: boolean
  closing: boolean
}

/** The HTTP interface, without a port: routes and their order. docs/server.md describes it. */
export function createApp(options: AppOptions): Express {
  const {
    engine,
    shelf,
    jobs,
    state,
    keys,
    choice,
    cors = [],
    limits = readServerLimits(),
    log = pino({ enabled: false }),
    pageFolder = builtPage,
  } = options
  const app = express()
  app.disable('x-powered-by')
  app.set('query parser', 'simple')
  app.set('trust proxy', limits.trustedProxies)

  const admission = createAdmission(limits)
  const metrics = createMetrics({ engine, shelf, admission, choice })

  app.use(requestLog(log), metrics.count)
  app.use(securityHeaders(), ...crossOrigin(cors))
  app.use(checkHeaders, sendTimeout(limits))

  const onlyGet = methodNotAllowed('GET', 'HEAD')
  app
    .route('/healthz')
    .get((_req, res) => void res.json({ status: 'ok', engine: engine.pid ?? null }))
    .all(onlyGet)
  app
    .route('/readyz')
    .get((_req, res) => {
      const status = state.closing ? 'closing' : state.ready ? 'ready' : 'starting'
      res
        .status(status === 'ready' ? 200 : 503)
        .json({ status, ...(choice && { provider: choice.execution.provider, providers: choice.reports }) })
    })
    .all(onlyGet)
  app.use(inferenceHealthRoutes(state))
  app.use(requireKey(keys))
  app.route('/metrics').get(metrics.route).all(onlyGet)
  const take = createIntake(shelf, limits, admission, jobs.folder)
  const guards = [refuseWhileClosing(state), noteUnannouncedProxy(limits, log), ...rateLimited(limits)]
  app
    .route('/upscale')
    .post(guards, upscaleRoute(engine, take, limits))
    .all(methodNotAllowed('POST'))
  app.use(jobRoutes({ jobs, take, limits, guards }))
  // The second is where the page looks, which on a static host finds a file there.
  app.route(['/models', '/models/index.json']).get(listRoute(shelf)).all(onlyGet)
  app.route('/models/:id/:file').get(fileRoute(shelf)).all(onlyGet)
  app.use(inferenceMetadataRoutes(shelf))
  app.use(apiRoutes({ shelf, limits, guarded: keys !== undefined }))
  app.use(page(pageFolder))
  app.use(notFound)
  app.use(problemHandler(log))
  return app
}

/** From `dist/serve/app.js` to `dist/page/`. */
const builtPage = fileURLToPath(new URL('../page/', import.meta.url))

/** What RFC 9112 §3.2 and RFC 9110 §10.1.1 ask of every request. */
const checkHeaders: RequestHandler = ({ headers: { host, expect }, httpVersion }, _res, next) => {
  if (host === undefined && httpVersion === '1.1') {
    next(new UprezError('bad-request', 'Expected a Host header', { param: 'Host', expected: 'the name of this server', got: 'none' }))
  } else if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    const expected = '100-continue or nothing'
    next(
      new UprezError('bad-request', `Expected ${expected} for Expect but received ${expect}`, { param: 'Expect', expected, got: expect }),
    )
  } else next()
}

/** Who asks and takes no answer would keep his connection. A picture's time to be sent begins when it is there. */
function sendTimeout({ sendTimeoutMs }: ServerLimits): RequestHandler {
  return ({ method }, res, next) => {
    // What was asked before on this connection has left its own.
    if (method === 'POST') res.setTimeout(0)
    else res.setTimeout(sendTimeoutMs, () => res.destroy())
    next()
  }
}

function refuseWhileClosing(state: ServerState): RequestHandler {
  return (_req, _res, next) => next(state.closing ? shuttingDown() : undefined)
}

function rateLimited({ rateLimit: limit }: ServerLimits): RequestHandler[] {
  if (limit === 0) return []
  const handler: RequestHandler = (_req, _res, next) => {
    const expected = `at most ${limit} pictures per minute`
    next(new UprezError('rate-limited', `Expected ${expected} from one client (UPREZ_RATE_LIMIT)`, { expected }))
  }
  return [
    rateLimit({
      windowMs: 60_000,
      limit,
      standardHeaders: 'draft-8',
      legacyHeaders: false,
      keyGenerator: clientOf,
      handler,
      // Said once, by `noteUnannouncedProxy`.
      validate: { xForwardedForHeader: false },
    }),
  ]
}
