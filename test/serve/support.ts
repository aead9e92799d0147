import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import sharp from 'sharp'
import type { Image } from '../../image/image.js'
import type { Engine, Job } from '../../infer/engine.js'
import { listModels } from '../../models/catalog.js'
import { type AppOptions, createApp, type ServerState } from '../../serve/app.js'
import type { Clock } from '../../serve/clock.js'
import type { Connections } from '../../serve/connections.js'
import { type Jobs, openJobs } from '../../serve/jobs.js'
import { openJobsFolder } from '../../serve/jobs-folder.js'
import { readServerLimits, type ServerLimits } from '../../serve/limits.js'
import { createShelf, type Shelf } from '../../serve/models.js'
import type { Problem } from '../../serve/problem.js'
import { createHttpServer, listen } from '../../serve/server.js'

/** The models that the package ships: from `dist/test/serve/` to `models/`. */
export const shippedModels = fileURLToPath(new URL('../../../models/', import.meta.url))

/** docs/server.md, without the formatter's padding of tables. */
export async function serverDocument(): Promise<string> {
  return (await readFile(new URL('../../../docs/server.md', import.meta.url), 'utf8')).replace(/ +/g, ' ')
}

export interface TestServer {
  url: string
  port: number
  state: ServerState
  shelf: Shelf
  jobs: Jobs
  connections: Connections
  close(): Promise<void>
}

/** The real server on a free port, around this engine. */
export async function startServer(
  engine: Engine,
  asked: Partial<ServerLimits> = {},
  { clock, ...options }: Pick<AppOptions, 'pageFolder' | 'keys' | 'cors' | 'log' | 'choice'> & { clock?: Clock } = {},
): Promise<TestServer> {
  const limits = readServerLimits(asked, {})
  const state = { ready: true, closing: false }
  const models = (await listModels({ modelPath: shippedModels })).filter(({ card }) => card.id === 'fast-x4')
  const shelf = createShelf(models)
  const log = options.log ?? pino({ enabled: false })
  const jobs = openJobs({ engine, limits, folder: await openJobsFolder(), log, ...(clock ? { clock } : {}) })
  const app = createApp({ engine, shelf, jobs, limits, state, ...options })
  const { server, connections } = createHttpServer(app, limits)
  const port = await listen(server, 0, '127.0.0.1')
  const close = async () => {
    const drained = connections.drain()
    connections.cut()
    await drained
    await jobs.close()
  }
  return { url: `http://127.0.0.1:${port}`, port, state, shelf, jobs, connections, close }
}

export interface HeldJob {
  job: Job
  /** @param text what the result's file holds */
  finish(text?: string): void
  fail(error: Error): void
  progress(done: number, total: number): void
  aborted: Promise<void>
}

/**
 * An engine whose jobs end when the test says so.
 * @param work what it measures in each: computed pixels
 */
export function heldEngine(work = 16): Engine & { jobs: HeldJob[]; begun: (count: number) => Promise<void> } {
  const jobs: HeldJob[] = []
  const waiters: [number, () => void][] = []
  return {
    pid: undefined,
    listeners: new Set(),
    state: {
      waiting: 0,
      running: 0,
      restarts: { crash: 0, hang: 0, start: 0 },
      tiles: 0,
      provider: undefined,
      models: [],
      rss: undefined,
    },
    jobs,
    measure: async () => ({ input: { format: 'png', width: 1, height: 1 }, width: 4, height: 4, work }),
    forget: () => {},
    begun: count =>
      new Promise(resolve => {
        if (jobs.length >= count) resolve()
        else waiters.push([count, resolve])
      }),
    upscale: (job, { signal, onProgress } = {}) =>
      new Promise((resolve, reject) => {
        const aborted = new Promise<void>(gone => signal?.addEventListener('abort', () => gone()))
        aborted.then(() => reject(new Error('aborted')))
        const finish = (text = 'a picture') => {
          if (job.output !== undefined) writeFileSync(job.output, text)
          resolve({
            ...(job.output === undefined ? { bytes: Buffer.from(text) } : {}),
            format: job.format === 'auto' ? 'png' : job.format,
            width: 4,
            height: 4,
            input: { format: 'png', width: 1, height: 1 },
            model: 'fast-x4',
            provider: 'none',
            milliseconds: 1,
            stages: { queue: 0, decode: 0, upscale: 1, encode: 0 },
            tiles: 1,
            pixels: 16,
          })
        }
        jobs.push({ job, finish, fail: reject, progress: (done, total) => onProgress?.({ done, total }), aborted })
        for (const [count, resolve] of waiters) if (jobs.length >= count) resolve()
      }),
    close: async () => {},
  }
}

export const encode = (
  { data, width, height, channels }: Image,
  format: 'png' | 'jpeg' | 'webp' | 'avif' | 'tiff' = 'png',
): Promise<Buffer> =>
  sharp(data, { raw: { width, height, channels: channels as 1 | 2 | 3 | 4 } })
    .toFormat(format)
    .toBuffer()

export function form(image: Uint8Array | undefined, fields: Record<string, string> = {}, field = 'img', name = 'low.png'): FormData {
  const data = new FormData()
  if (image) data.append(field, new Blob([new Uint8Array(image)]), name)
  for (const [key, value] of Object.entries(fields)) data.append(key, value)
  return data
}

/** Posts a form and reads the answer, which must be a picture. */
export async function upscaled(url: string, init: RequestInit): Promise<{ headers: Headers; bytes: Buffer }> {
  const answer = await fetch(url, { method: 'POST', ...init })
  const bytes = Buffer.from(await answer.arrayBuffer())
  if (answer.status !== 200) throw new Error(`${answer.status}: ${bytes.toString()}`)
  return { headers: answer.headers, bytes }
}

/** Reads an answer that must be a problem. */
export async function problemOf(answer: Response): Promise<Problem> {
  const type = answer.headers.get('content-type') ?? ''
  if (!type.startsWith('application/problem+json')) throw new Error(`${answer.status} ${type}: ${(await answer.text()).slice(0, 200)}`)
  const problem = (await answer.json()) as Problem
  if (problem.status !== answer.status) throw new Error(`status ${answer.status} but the body says ${problem.status}`)
  return problem
}

/** A bare connection: what HTTP clients would not send. */
export interface Wire {
  socket: Socket
  write(data: string | Uint8Array): void
  /** Resolves when this text has arrived; rejects when the connection ends without it. */
  saw(text: string): Promise<string>
  /** All that came until the server closed the connection. */
  rest(): Promise<string>
}

export async function wire(port: number): Promise<Wire> {
  const socket = connect(port, '127.0.0.1')
  let seen = ''
  let over = false
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of listeners) listener()
  }
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    seen += text
    tell()
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    over = true
    tell()
  })
  await once(socket, 'connect')
  const when = (check: () => boolean) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        if (check()) resolve(seen)
        else if (over) reject(new Error(`the connection ended after: ${seen.slice(0, 500)}`))
        else return
        listeners.delete(look)
      }
      listeners.add(look)
      look()
    })
  return { socket, write: data => void socket.write(data), saw: text => when(() => seen.includes(text)), rest: () => when(() => over) }
}

/** The head of a request with a form for a body. */
export const formHead = (headers: string, boundary = 'B'): string =>
  `POST /upscale HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=${boundary}\r\n${headers}\r\n`

/** The part of a form that holds an image, up to where its bytes begin. */
export const partHead = (name = 'img', filename = 'low.png'): string =>
  `--B\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: image/png\r\n\r\n`
