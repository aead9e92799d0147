import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { z } from 'zod'
import { UprezError } from '../errors.js'
import { startEngine } from '../infer/engine.js'
import { readPrecision, readThreads } from '../infer/limits.js'
import { memoryAllowed, memoryShare } from '../infer/memory.js'
import { chooseProvider, describeChoice, readProvider } from '../infer/providers.js'
import { DEFAULT_MODEL } from '../models/catalog.js'
import { modelFolder } from '../probe/model-folder.js'
import { readSetting } from '../setting.js'
import { listenForStop } from '../stop.js'
import { createApp, type ServerState } from './app.js'
import { openJobs } from './jobs.js'
import { openJobsFolder } from './jobs-folder.js'
import { readKeys } from './keys.js'
import { readServerLimits, type ServerLimits } from './limits.js'
import { createShelf, type Shelf, type ShelvedModel } from './models.js'
import { findOffered, type OfferOptions } from './offered.js'
import { invalidOption } from './options.js'
import { createHttpServer, listen } from './server.js'
import { keepShelf } from './shelf-keeper.js'
import { warmUp } from './warmup.js'

export interface ServeOptions {
  /** Default: PORT, else 3000. 0 takes any free one. */
  port?: number | undefined
  /** Default: HOST, else 127.0.0.1. */
  host?: string | undefined
  /** Id of the model that serves where a request names none. */
  model?: string | undefined
  modelPath?: string | undefined
  /** What models compute in; those without such a file are not offered. Default: UPREZ_PRECISION, else fp32. */
  precision?: string | undefined
  /** What computes: see `readProvider`. Default: UPREZ_PROVIDER, else auto. */
  provider?: string | undefined
  /** Origins of pages that may call it, in place of UPREZ_CORS. */
  cors?: string[] | undefined
  /** Other machines may use it without a key; in place of UPREZ_PUBLIC=1. */
  public?: boolean | undefined
}

const PORT = { variable: 'PORT', check: z.int().min(0).max(65_535) }

/**
 * Serves until SIGTERM or SIGINT, then finishes what is in flight and returns.
 * @throws UprezError where it cannot start
 */
export async function serve(options: ServeOptions): Promise<void> {
  const port = readSetting('port', PORT, options.port) ?? 3000
  const host = options.host ?? (process.env.HOST || '127.0.0.1')
  const log = pino({ level: logLevel(), base: undefined, timestamp: pino.stdTimeFunctions.isoTime })
  const keys = readKeys(process.env.UPREZ_API_KEYS, log)
  const isPublic = options.public ?? process.env.UPREZ_PUBLIC === '1'
  const limits = readServerLimits({}, process.env, isPublic && keys === undefined)
  if (!isLoopback(host) && keys === undefined && !isPublic) throw unguarded(host)
  const cors = options.cors ?? (process.env.UPREZ_CORS ?? '').split(/[\s,]+/).filter(origin => origin !== '')
  const threads = readThreads()
  const precision = readPrecision(options.precision)
  const offer = { modelPath: await modelFolder(options.modelPath, { say }), precision }
  const provider = readProvider(options.provider)
  const shelf = await fillShelf(offer, options.model)

  const stop = listenForStop(() => say(`finishing what is in flight, at most ${limits.shutdownGraceMs} ms; once more ends at once`))
  const folder = await openJobsFolder(process.env.UPREZ_JOBS_DIR || undefined)
  const choice = await chooseProvider(provider, { folder: shelf.standard.folder, precision })
  say(`computes on ${describeChoice(choice)}`)
  const engine = await startEngine({ threads, precision, execution: choice.execution })
  const jobs = openJobs({ engine, limits, folder, log })
  const onGone = ({ folder, version }: ShelvedModel) => engine.forget(folder, version)
  const keeper = keepShelf(shelf, offer, { onGone, say })
  process.on('SIGHUP', keeper.refresh)
  const state: ServerState = { ready: false, closing: false }
  const { server, connections } = createHttpServer(createApp({ engine, shelf, jobs, limits, state, log, keys, cors, choice }), limits)
  try {
    const open = await listen(server, port, host)
    await warmUp(engine, shelf.standard.folder)
    state.ready = true
    const models = shelf.models.map(({ card }) => `${card.id} ×${card.scale}`)
    announce({ host, port: open, models, threads, guarded: keys !== undefined, limits })

    if (!stop.signal.aborted) await once(stop.signal, 'abort')
    state.closing = true
    // Who has a job in work comes back for its result, so the door stays open for that long.
    const drained = jobs.drain().then(() => connections.drain())
    await Promise.race([drained, delay(limits.shutdownGraceMs, undefined, { ref: false })])
  } finally {
    process.off('SIGHUP', keeper.refresh)
    keeper.close()
    // What still runs is answered with `busy` and has a moment to hear it.
    await engine.close()
    await jobs.close()
    await Promise.race([connections.drain(), delay(200)])
    connections.cut()
  }
}

/** The default model is the one asked for; else, of the models asked for by path, the first; else the one we ship. */
async function fillShelf(offer: OfferOptions, model: string | undefined): Promise<Shelf> {
  const { models, faults } = await findOffered(offer, [])
  const shipped = offer.modelPath === undefined ? models.find(({ card }) => card.id === DEFAULT_MODEL) : undefined
  const fault = faults.find(fault => models.length === 0 || fault.model?.card.id === model)
  if (fault) throw fault.error
  return createShelf(models, model ?? shipped?.card.id)
}

/** UPREZ_LOG; each level includes those before it. */
function logLevel(): string {
  const levels = ['silent', 'error', 'info']
  const level = process.env.UPREZ_LOG || 'info'
  if (levels.includes(level)) return level
  throw invalidOption('UPREZ_LOG', `one of ${levels.join(', ')}`, level)
}

interface Announced {
  host: string
  port: number
  models: string[]
  threads: number
  /** A key is asked for. */
  guarded: boolean
  limits: ServerLimits
}

function announce({ host, port, models, threads, guarded, limits }: Announced): void {
  const url = `http://${isLoopback(host) || isEverywhere(host) ? 'localhost' : host.includes(':') ? `[${host}]` : host}:${port}`
  say(`${url}/ is ready: ${models.join(', ')}; ${threads} thread${threads === 1 ? '' : 's'}`)
  say(`try: curl ${guarded ? '-H "Authorization: Bearer $KEY" ' : ''}-F img=@low.png ${url}/upscale -o high.png`)
  if (memoryShare() < 1) say(`${Math.round(memoryAllowed() / 2 ** 20)} MiB of memory: the default limits of what is held in it are smaller`)
  if (isLoopback(host)) return
  const { clientInFlight, rateLimit } = limits
  const bounds = [clientInFlight > 0 ? `${clientInFlight} pictures at once` : [], rateLimit > 0 ? `${rateLimit} a minute` : []].flat()
  const whom = guarded ? 'who has a key can use it' : 'everybody who reaches it can use it'
  if (bounds.length > 0) say(`a client may have ${bounds.join(' and ')} (UPREZ_CLIENT_IN_FLIGHT, UPREZ_RATE_LIMIT)`)
  say(`HOST is ${host}: ${whom}, over an unencrypted connection (no TLS). Put a proxy with TLS in front of it: docs/serving.md.`)
}

function unguarded(host: string): UprezError {
  const expected = 'UPREZ_API_KEYS, or --public'
  const message =
    `Host ${host} lets other machines in, and nobody is asked for a key: make one with "uprez key NAME" and set UPREZ_API_KEYS, ` +
    'or let everybody in with --public (UPREZ_PUBLIC=1), or stay on this machine without --host and HOST'
  return new UprezError('invalid-option', message, { param: 'host', expected, got: host })
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')
const isEverywhere = (host: string): boolean => host === '0.0.0.0' || host === '::'

const say = (line: string): void => void process.stderr.write(`uprez: ${line}\n`)
