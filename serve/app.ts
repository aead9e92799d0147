import { fileURLToPath } from 'node:url'
import type { Express, RequestHandler } from 'express'
import express from 'express'
import { rateLimit } from 'express-rate-limit'
import { type Logger, pino } from 'pino'
import { UprezError } from '../errors.js'
import type { Engine } from '../infer/engine.js'
import { crossOrigin } from './cors.js'
import { type Keys, requireKey } from './keys.js'
import type { ServerLimits } from './limits.js'
import { readServerLimits } from './limits.js'
import { requestLog } from './log.js'
import type { Shelf } from './models.js'
import { fileRoute, listRoute } from './models.js'
import { page, securityHeaders } from './page.js'
import { methodNotAllowed, notFound, problemHandler } from './problem.js'
import { upscaleRoute } from './upscale.js'

export interface AppOptions {
  engine: Engine
  shelf: Shelf
  limits?: ServerLimits
  /** What `/readyz` says; the caller changes it. */
  state: ServerState
  log?: Logger
  /** Who may use it; without, everybody who reaches it. */
  keys?: Keys | undefined
  /** Origins of pages that may call it. */
  cors?: readonly string[]
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
    state,
    keys,
    cors = [],
    limits = readServerLimits(),
    log = pino({ enabled: false }),
    pageFolder = builtPage,
  } = options
  const app = express()
  app.disable('x-powered-by')
  app.set('query parser', 'simple')
  app.set('trust proxy', limits.trustedProxies)

  app.use(requestLog(log))
  app.use(securityHeaders(), ...crossOrigin(cors))
  app.use(checkHeaders)

  app.get('/healthz', (_req, res) => {
    res.json({ status: 'ok', engine: engine.pid ?? null })
  })
  app.get('/readyz', (_req, res) => {
    const status = state.closing ? 'closing' : state.ready ? 'ready' : 'starting'
    res.status(status === 'ready' ? 200 : 503).json({ status })
  })
  app.use(requireKey(keys))
  app
    .route('/upscale')
    .post(refuseWhileClosing(state), ...rateLimited(limits), upscaleRoute(engine, shelf, limits))
    .all(methodNotAllowed('POST'))
  // The second is where the page looks, which on a static host finds a file there.
  app.route(['/models', '/models/index.json']).get(listRoute(shelf)).all(methodNotAllowed('GET', 'HEAD'))
  app.route('/models/:id/:file').get(fileRoute(shelf)).all(methodNotAllowed('GET', 'HEAD'))
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

function refuseWhileClosing(state: ServerState): RequestHandler {
  return (_req, _res, next) =>
    next(state.closing ? new UprezError('busy', 'The server is shutting down', { expected: 'another try' }) : undefined)
}

function rateLimited({ rateLimit: limit }: ServerLimits): RequestHandler[] {
  if (limit === 0) return []
  const handler: RequestHandler = (_req, _res, next) => {
    const expected = `at most ${limit} pictures per minute`
    next(new UprezError('rate-limited', `Expected ${expected} from one address (UPREZ_RATE_LIMIT)`, { expected }))
  }
  // A proxy that nobody announced makes everybody one address: strict, but not an error in each request's log.
  return [
    rateLimit({
      windowMs: 60_000,
      limit,
      standardHeaders: 'draft-8',
      legacyHeaders: false,
      handler,
      validate: { xForwardedForHeader: false },
    }),
  ]
}
