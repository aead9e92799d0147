import type { Request, RequestHandler, Response } from 'express'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Engine, JobResult } from '../infer/engine.js'
import { type Choice, providerReadings } from '../infer/providers.js'
import type { Admission } from './admission.js'
import type { Shelf } from './models.js'

/**
 * What Prometheus asks for at `GET /metrics`, https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format.
 * Labels hold what this server knows beforehand (routes, codes, models of the shelf), never what a client has sent.
 */
export interface Metrics {
  /** Counts every request that comes after it. */
  count: RequestHandler
  route: RequestHandler
}

/** What routes leave in `res.locals` for here. */
export interface Noted {
  /** Of `errors.ts`, where the answer is an error. */
  code?: string
  /** Milliseconds until the picture had arrived. */
  uploadMs?: number
  /** When a picture began to be sent (performance.now()). */
  sending?: number
}

/** What is measured. */
interface Sources {
  engine: Engine
  shelf: Shelf
  admission: Admission
  choice?: Choice | undefined
}

export function createMetrics({ engine, shelf, admission, choice }: Sources): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) => new Counter({ name, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Histogram({ name, help, labelNames, registers, buckets: SECONDS })
  /** Figures that somebody else keeps, read when they are asked for. */
  const kept = <L extends string>(
    Kind: typeof Counter<L> | typeof Gauge<L>,
    name: string,
    help: string,
    labelNames: L[],
    read: () => Readings<L>,
  ) =>
    new Kind({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset()
        for (const [labels, value] of read()) if (value !== undefined) this.inc(labels, value)
      },
    })
  const gauge = (name: string, help: string, read: () => number) => kept(Gauge, name, help, [], () => [[{}, read()]])

  const requests = counter('uprez_http_requests_total', 'Requests that are over, 499: the client left', 'route', 'method', 'status')
  const latency = histogram('uprez_http_request_seconds', 'From a request to the end of its answer', 'route')
  const refusals = counter('uprez_refusals_total', 'Answers that are errors, by their code', 'code')
  const stages = histogram('uprez_stage_seconds', 'Where the time of a picture goes', 'stage')
  const pictures = counter('uprez_pictures_total', 'Pictures that the engine made', 'model', 'provider')
  const megapixelsIn = counter('uprez_input_megapixels_total', 'Megapixels of their inputs')
  const megapixelsOut = counter('uprez_output_megapixels_total', 'Megapixels of their results')

  const held = () => admission.held
  const state = () => engine.state
  gauge('uprez_in_flight_requests', 'Pictures being received, upscaled or sent', () => held().requests)
  gauge('uprez_in_flight_bytes', 'Bytes of their bodies or results', () => held().bytes)
  gauge('uprez_in_flight_megapixels', 'Megapixels as they are computed, waiting or in work', () => held().megapixels)
  gauge('uprez_queue_length', 'Pictures that wait for a place in the engine', () => state().waiting)
  gauge('uprez_pictures_in_work', 'Pictures that have one', () => state().running)
  kept(Counter, 'uprez_tiles_total', 'Windows that models ran on', [], () => [[{}, state().tiles]])
  kept(Counter, 'uprez_engine_restarts_total', 'Engine processes that were replaced', ['reason'], () =>
    Object.entries(state().restarts).map(([reason, count]) => [{ reason }, count]),
  )
  kept(Gauge, 'uprez_resident_bytes', 'Resident memory of the two processes', ['process'], () => [
    [{ process: 'server' }, process.memoryUsage.rss()],
    [{ process: 'engine' }, state().rss],
  ])
  kept(Gauge, 'uprez_engine_info', 'The ONNX Runtime provider in use', ['provider'], () => [[{ provider: state().provider ?? 'none' }, 1]])
  kept(Gauge, 'uprez_provider_works', 'ONNX Runtime providers that were tried: 1 where a tile came out right', ['provider'], () =>
    choice ? providerReadings(choice) : [],
  )
  kept(Gauge, 'uprez_model_info', 'Models that are offered', ['model', 'version', 'scale', 'default'], () =>
    shelf.models.map(({ card: { id, scale }, version }) => [
      { model: id, version: version.slice(0, 12), scale, default: String(id === shelf.standardId) },
      1,
    ]),
  )
  kept(Gauge, 'uprez_model_loaded_bytes', 'Memory of the models that are loaded, estimated', ['model', 'version'], () =>
    state().models.map(({ id, version, bytes }) => [{ model: id, version: version.slice(0, 12) }, bytes]),
  )

  engine.listeners.add(({ stages: spent, model, provider, input, width, height }: JobResult) => {
    for (const [stage, ms] of Object.entries(spent)) stages.observe({ stage }, ms / 1000)
    pictures.inc({ model, provider })
    megapixelsIn.inc((input.width * input.height) / 1e6)
    megapixelsOut.inc((width * height) / 1e6)
  })

  return {
    count(req, res, next) {
      const began = performance.now()
      res.once('close', () => {
        const now = performance.now()
        const { code, uploadMs, sending } = res.locals as Noted
        const route = routeOf(req)
        requests.inc({ route, method: methodOf(req), status: statusOf(res) })
        latency.observe({ route }, (now - began) / 1000)
        if (code !== undefined) refusals.inc({ code })
        if (uploadMs !== undefined) stages.observe({ stage: 'upload' }, uploadMs / 1000)
        if (sending !== undefined && res.writableFinished) stages.observe({ stage: 'send' }, (now - sending) / 1000)
      })
      next()
    },
    async route(_req, res) {
      res.set({ 'Content-Type': registry.contentType, 'Cache-Control': 'no-store' }).end(await registry.metrics())
    },
  }
}

type Readings<L extends string> = (readonly [Partial<Record<L, string | number>>, number | undefined])[]

const SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300]

/** The pattern, not the path, which may be anything. */
function routeOf({ route }: Request): string {
  const [first] = [route?.path as unknown].flat()
  return typeof first === 'string' ? first : 'other'
}

const METHODS = ['GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS']

const methodOf = ({ method }: Request): string => (METHODS.includes(method) ? method : 'other')

const statusOf = (res: Response): number => (res.writableFinished ? res.statusCode : 499)
