import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { UprezError } from '../../errors.js'
import { startEngine } from '../../infer/engine.js'
import type { Clock } from '../../serve/clock.js'
import { openJobsFolder } from '../../serve/jobs-folder.js'
import { type JobView, jobSchema } from '../../serve/jobs-view.js'
import { makeKey, readKeys } from '../../serve/keys.js'
import type { ServerLimits } from '../../serve/limits.js'
import { drawPhoto } from '../support/draw.js'
import { encode, form, type HeldJob, heldEngine, problemOf, startServer, type TestServer, upscaled, wire } from './support.js'

const png = await encode(drawPhoto(24, 16))
const other = await encode(drawPhoto(16, 16, 5))

let engine: ReturnType<typeof heldEngine>
let server: TestServer
let time: ReturnType<typeof handClock>

/** A clock that stands until it is turned. */
function handClock(): Clock & { turn(milliseconds: number): void } {
  let now = Date.parse('2026-01-01T00:00:00Z')
  const alarms = new Set<{ at: number; run: () => void }>()
  return {
    now: () => now,
    after(milliseconds, run) {
      const alarm = { at: now + milliseconds, run }
      alarms.add(alarm)
      return () => alarms.delete(alarm)
    },
    turn(milliseconds) {
      const end = now + milliseconds
      for (;;) {
        const next = [...alarms].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
        if (!next) break
        alarms.delete(next)
        now = next.at
        next.run()
      }
      now = end
    },
  }
}

async function start(limits: Partial<ServerLimits> = {}, options: Parameters<typeof startServer>[2] = {}): Promise<void> {
  await server?.close()
  server = await startServer(engine, { maxRunningJobs: 1, ...limits }, { clock: time, ...options })
}

beforeEach(async () => {
  engine = heldEngine()
  time = handClock()
})
afterEach(async () => {
  await server?.close()
  server = undefined as unknown as TestServer
})

const call = (path: string, init?: RequestInit) => fetch(server.url + path, init)
const post = (headers: Record<string, string> = {}, fields: Record<string, string> = {}, image = png) =>
  call('/jobs', { method: 'POST', headers, body: form(image, fields) })

async function viewIn(answer: Response): Promise<JobView> {
  const view = jobSchema.parse(await answer.json())
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  return view
}

async function create(headers?: Record<string, string>, fields?: Record<string, string>, image?: Buffer): Promise<JobView> {
  const answer = await post(headers, fields, image)
  assert.equal(answer.status, 202)
  const view = await viewIn(answer)
  assert.equal(answer.headers.get('location'), `/jobs/${view.id}`)
  return view
}

const look = async ({ id }: { id: string }) => viewIn(await call(`/jobs/${id}`))
const resultOf = ({ id }: { id: string }) => call(`/jobs/${id}/result`)
const codeOf = async (answer: Response | Promise<Response>) => (await problemOf(await answer)).code

interface Events {
  /** The next one; undefined once the stream has ended. */
  next(): Promise<{ id: string; job: JobView } | 'comment' | undefined>
  leave(): void
}

async function events({ id }: { id: string }, headers: Record<string, string> = {}): Promise<Events> {
  const controller = new AbortController()
  const answer = await call(`/jobs/${id}`, { headers: { Accept: 'text/event-stream', ...headers }, signal: controller.signal })
  assert.match(answer.headers.get('content-type')!, /^text\/event-stream\b/)
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return {
    async next() {
      while (!text.includes('\n\n')) {
        const { value, done } = await reader.read()
        if (done) return undefined
        text += value
      }
      const [event, ...rest] = text.split('\n\n')
      text = rest.join('\n\n')
      if (event === ':') return 'comment'
      const [, number, data] = /^id: (\d+)\ndata: (.*)$/.exec(event!)!
      return { id: number!, job: jobSchema.parse(JSON.parse(data!)) }
    },
    leave: () => controller.abort(),
  }
}

/** Reads on until the job is in this state. */
async function until(stream: Events, state: JobView['state']): Promise<{ id: string; job: JobView }> {
  for (;;) {
    const event = await stream.next()
    if (event === undefined) throw new Error(`the stream ended before the job was ${state}`)
    if (event !== 'comment' && event.job.state === state) return event
  }
}

/** The engine's side of a job, once it is there. */
async function heldFor({ id }: { id: string }): Promise<HeldJob> {
  for (;;) {
    const held = engine.jobs.find(({ job }) => job.output!.includes(id))
    if (held) return held
    await call('/healthz')
  }
}

/** Lets the engine finish a job, and waits for what becomes of it. */
async function finish(job: { id: string }, text?: string): Promise<JobView> {
  const stream = await events(job)
  const held = await heldFor(job)
  held.finish(text)
  for (let last: JobView | undefined; ; ) {
    const event = await stream.next()
    if (event === undefined) return last!
    if (event !== 'comment') last = event.job
  }
}

test('a job does what POST /upscale does, and its result has the same headers', async () => {
  const real = await startEngine({ threads: 1 })
  server = await startServer(real)
  try {
    const asked = { longest: '60', format: 'webp', quality: '80', tta: 'true' }
    const at = `${server.url}/upscale`
    const direct = await upscaled(at, { body: form(png, asked) })
    const plain = await upscaled(at, { body: form(png, { longest: '60', format: 'webp', quality: '80' }) })
    assert.notDeepEqual(direct.bytes, plain.bytes)

    const raw = await call(`/jobs?${new URLSearchParams(asked)}`, {
      method: 'POST',
      headers: { 'Content-Type': 'image/png' },
      body: new Uint8Array(png),
    })
    const jobs = { low: await create({}, asked), image: await viewIn(raw) }
    for (const [name, job] of Object.entries(jobs)) {
      const { job: done } = await until(await events(job), 'done')
      assert.deepEqual(done.progress, { done: 8, total: 8 })
      const answer = await call(done.result!.href)
      assert.equal(answer.status, 200)
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), direct.bytes)
      const { format, width, height, bytes } = done.result!
      assert.deepEqual({ format, width, height, bytes }, { format: 'webp', width: 60, height: 40, bytes: direct.bytes.length })
      for (const name of [
        'content-type',
        'content-length',
        'x-model',
        'x-uprez-model',
        'x-uprez-scale',
        'x-uprez-width',
        'x-uprez-height',
        'x-uprez-provider',
      ]) {
        assert.equal(answer.headers.get(name), direct.headers.get(name), name)
      }
      assert.equal(answer.headers.get('content-disposition'), `inline; filename="${name}-2.5x.webp"`)
      assert.match(answer.headers.get('server-timing')!, /^queue;dur=[\d.]+, decode;dur=[\d.]+, upscale;dur=[\d.]+, encode;dur=[\d.]+$/)
      const head = await call(done.result!.href, { method: 'HEAD' })
      assert.equal(head.headers.get('content-length'), String(bytes))
    }
    assert.equal(direct.headers.get('x-model'), 'fast-x4')
  } finally {
    await server.close()
    await real.close()
    server = undefined as unknown as TestServer
  }
})

test('the queue is not one client alone: its unfinished jobs are counted, those of others are not', async () => {
  const [alice, bob] = [makeKey('alice'), makeKey('bob')]
  await start({ clientInFlight: 2 }, { keys: readKeys(`${alice.line},${bob.line}`) })
  const as = ({ key }: { key: string }) => ({ 'X-API-Key': key })
  const running = await create(as(alice))
  const queued = await create({ ...as(alice), 'Idempotency-Key': 'mine' })
  const refused = await post(as(alice))
  assert.equal(refused.headers.get('retry-after'), '2')
  assert.equal(await codeOf(refused), 'rate-limited')
  assert.equal(await codeOf(post({ ...as(alice), 'Idempotency-Key': 'another' })), 'rate-limited')
  assert.equal((await create({ ...as(alice), 'Idempotency-Key': 'mine' })).id, queued.id)
  await create(as(bob))
  assert.equal((await call(`/jobs/${running.id}`, { method: 'DELETE', headers: as(alice) })).status, 204)
  await create(as(alice))
})

test('what is refused at /upscale is refused here', async () => {
  await start()
  assert.equal(await codeOf(post({}, { sclae: '2' })), 'unknown-option')
  assert.equal(await codeOf(post({}, { scale: '2', longest: '60' })), 'invalid-option')
  assert.equal(await codeOf(post({}, { tta: 'yes' })), 'invalid-option')
  assert.equal(await codeOf(post({}, {}, Buffer.from('no picture'))), 'not-an-image')
  assert.equal(await codeOf(call('/jobs', { method: 'POST' })), 'missing-image')
  server.state.closing = true
  assert.equal(await codeOf(post()), 'busy')
})

test('a job waits, runs and is done; every change is an event, and the queue moves up', async () => {
  await start()
  const first = await create()
  const second = await create({}, {}, other)
  const third = await create({}, { scale: '2' })
  assert.deepEqual([first.position, second.position, third.position], [0, 1, 2])
  assert.deepEqual([first.state, third.state], ['running', 'queued'])
  assert.deepEqual(
    { ...third, id: '' },
    {
      id: '',
      state: 'queued',
      position: 2,
      progress: { done: 0, total: 0 },
      created: '2026-01-01T00:00:00.000Z',
      started: null,
      finished: null,
      error: null,
      result: null,
    },
  )
  const stream = await events(third)
  const told = async () => {
    const event = await stream.next()
    assert.ok(typeof event === 'object')
    const { state, position, progress } = event.job
    return [state, position, progress.done, progress.total]
  }
  assert.deepEqual(await told(), ['queued', 2, 0, 0])
  const held = await heldFor(first)
  time.turn(1000)
  held.finish()
  assert.deepEqual(await told(), ['queued', 1, 0, 0])
  await call(`/jobs/${second.id}`, { method: 'DELETE' })
  assert.deepEqual(await told(), ['running', 0, 0, 0])
  const work = await heldFor(third)
  work.progress(0, 7)
  assert.deepEqual(await told(), ['running', 0, 0, 7])
  work.progress(1, 7)
  assert.deepEqual(await told(), ['running', 0, 1, 7])
  time.turn(500)
  work.finish('the third')
  assert.deepEqual(await told(), ['done', null, 1, 7])
  assert.equal(await stream.next(), undefined)

  const done = await look(third)
  assert.equal(done.started, '2026-01-01T00:00:01.000Z')
  assert.equal(done.finished, '2026-01-01T00:00:01.500Z')
  assert.deepEqual(done.result, {
    href: `/jobs/${third.id}/result`,
    format: 'png',
    width: 4,
    height: 4,
    bytes: 9,
    expires: '2026-01-01T01:00:01.500Z',
  })
  assert.equal(await (await resultOf(third)).text(), 'the third')
  assert.equal((await look(first)).state, 'done')
})

test('an event stream beats while nothing happens, and an EventSource that comes back after the end is told to stay away', async () => {
  await start({ sendTimeoutMs: 2000 })
  const job = await create()
  const stream = await events(job)
  await stream.next()
  for (let beats = 0; beats < 3; beats++) {
    time.turn(1000)
    assert.equal(await stream.next(), 'comment')
  }
  ;(await heldFor(job)).finish()
  const { id } = await until(stream, 'done')
  assert.equal(await stream.next(), undefined)
  const again = await call(`/jobs/${job.id}`, { headers: { Accept: 'text/event-stream', 'Last-Event-ID': id } })
  assert.equal(again.status, 204)
  const late = await events(job, { 'Last-Event-ID': '0' })
  assert.equal((await until(late, 'done')).id, id)
  assert.equal(await late.next(), undefined)
})

test('a client that leaves its event stream leaves nothing behind', async () => {
  await start()
  const job = server.jobs.find((await create()).id, undefined)
  const streams = await Promise.all([events(job), events(job)])
  for (const stream of streams) await stream.next()
  assert.equal(job.listeners.size, 2)
  for (const stream of streams) stream.leave()
  while (job.listeners.size > 0) await call('/healthz')
})

test('HEAD and other Accept headers get the JSON way', async () => {
  await start()
  const job = await create()
  const head = await call(`/jobs/${job.id}`, { method: 'HEAD', headers: { Accept: 'text/event-stream' } })
  assert.match(head.headers.get('content-type')!, /^application\/json/)
  for (const accept of ['*/*', 'application/json, text/event-stream;q=0.5', 'image/png']) {
    assert.equal((await viewIn(await call(`/jobs/${job.id}`, { headers: { Accept: accept } }))).id, job.id, accept)
  }
})

test('with an Idempotency-Key the same picture is one job, and another one is refused', async () => {
  await start()
  const key = { 'Idempotency-Key': '"8e03978e-40d5-43dd-bc93-6894a57f9324"' }
  const options = { scale: '2', format: 'png' }
  const job = await create(key, options)
  const [a, b] = await Promise.all([create(key, { format: 'png', scale: '2' }), create(key, options)])
  assert.deepEqual([a.id, b.id], [job.id, job.id])
  for (const answer of [post(key, { scale: '3', format: 'png' }), post(key, options, other)]) {
    const problem = await problemOf(await answer)
    assert.deepEqual([problem.status, problem.code, problem.param], [409, 'key-reused', 'Idempotency-Key'])
  }
  assert.equal(await codeOf(post({ 'Idempotency-Key': 'ä' }, options)), 'invalid-option')
  await finish(job)
  assert.equal(engine.jobs.filter(({ job }) => job.scale === 2).length, 1)
  assert.equal((await create(key, options)).id, job.id)
  // Its life is over when its result is.
  time.turn(3_600_000)
  const next = await create(key, options)
  assert.notEqual(next.id, job.id)
  await call(`/jobs/${next.id}`, { method: 'DELETE' })
  assert.notEqual((await create(key, { scale: '3' })).id, next.id)
})

test('the result is refused while there is none, gone after its time, and its own problem where the job failed', async () => {
  await start({ jobTtlMs: 5000 })
  const job = await create()
  const waits = await create({}, {}, other)
  for (const unfinished of [job, waits]) {
    const problem = await problemOf(await resultOf(unfinished))
    assert.deepEqual([problem.status, problem.code], [409, 'job-unfinished'])
  }
  const done = await finish(job)
  assert.equal((await resultOf(job)).status, 200)
  time.turn(4999)
  assert.equal((await resultOf(job)).status, 200)
  const root = dirname(dirname(engine.jobs[0]!.job.output!))
  time.turn(1)
  const gone = await problemOf(await resultOf(job))
  assert.deepEqual([gone.status, gone.code, gone.got], [410, 'result-expired', done.result!.expires])
  assert.equal((await look(job)).state, 'done')

  const held = await heldFor(waits)
  while ((await readdir(root)).length > 1) await call('/healthz')
  assert.deepEqual(await readdir(root), [waits.id])
  held.fail(new UprezError('broken-image', 'It breaks off', { param: 'image' }))
  const { job: failed } = await until(await events(waits), 'failed')
  assert.equal(failed.error!.code, 'broken-image')
  const problem = await problemOf(await resultOf(waits))
  assert.deepEqual(problem, failed.error)
  assert.equal(problem.status, 422)
})

test('DELETE cancels, forgets and says the same each time', async () => {
  await start()
  const running = await create()
  const queued = await create({}, {}, other)
  const held = await heldFor(running)
  const streams = await Promise.all([events(running), events(queued)])
  const remove = async ({ id }: { id: string }) => (await call(`/jobs/${id}`, { method: 'DELETE' })).status
  assert.equal(await remove(queued), 204)
  assert.equal(await remove(running), 204)
  await held.aborted
  for (const stream of streams) {
    assert.equal((await until(stream, 'cancelled')).job.error!.code, 'aborted')
    assert.equal(await stream.next(), undefined)
  }
  assert.equal(await remove({ id: 'nothing' }), 404)
  for (const job of [running, queued, { id: '0a3ac2a6-7f0a-4a1e-9d6e-3f2a5c0f7f11' }]) {
    assert.equal(await remove(job), 204)
    assert.equal(await codeOf(call(`/jobs/${job.id}`)), 'not-found')
    assert.equal(await codeOf(resultOf(job)), 'not-found')
  }
  assert.equal(engine.jobs.length, 1)

  const done = await create()
  await finish(done)
  const root = dirname(dirname(held.job.output!))
  assert.deepEqual(await readdir(root), [done.id])
  assert.equal(await remove(done), 204)
  assert.deepEqual(await readdir(root), [])
})

test('a full queue is refused with a time to come back, before the picture is read', async () => {
  await start({ maxQueuedJobs: 1 })
  await create()
  const key = { 'Idempotency-Key': 'once' }
  const queued = await create(key, {}, other)
  const refused = await post()
  assert.match(refused.headers.get('retry-after')!, /^\d+$/)
  assert.equal(await codeOf(refused), 'busy')
  const { write, rest } = await wire(server.port)
  write('POST /jobs HTTP/1.1\r\nHost: test\r\nContent-Type: image/png\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n')
  assert.match(await rest(), /^HTTP\/1\.1 503 /)
  // One that is in it already is found there.
  assert.equal((await create(key, {}, other)).id, queued.id)
  assert.equal(await codeOf(post({ 'Idempotency-Key': 'twice' })), 'busy')
})

test('the oldest results make room on disk, and what can never fit is refused', async () => {
  const room = 2 * png.length + 10
  await start({ jobsMaxBytes: room })
  const jobs: JobView[] = []
  const make = async (bytes: number) => jobs.push(await finish(await create(), 'x'.repeat(bytes)))
  const kept = () => Promise.all(jobs.map(async job => (await resultOf(job)).status === 200))
  await make(png.length)
  await make(png.length)
  assert.deepEqual(await kept(), [true, true])
  const third = await create()
  assert.deepEqual(await kept(), [false, true])
  assert.equal(await codeOf(resultOf(jobs[0]!)), 'result-expired')
  assert.equal((await look(jobs[0]!)).result!.expires, '2026-01-01T00:00:00.000Z')
  jobs.push(await finish(third, 'x'.repeat(png.length + 11)))
  assert.deepEqual(await kept(), [false, false, true])

  const tooLarge = await create()
  const failed = await finish(tooLarge, 'x'.repeat(room + 1))
  assert.deepEqual([failed.state, failed.error!.code, failed.error!.status], ['failed', 'no-space', 507])
  assert.match(failed.error!.detail, /UPREZ_JOBS_MAX_BYTES/)
  assert.equal(await codeOf(resultOf(tooLarge)), 'no-space')

  await start({ jobsMaxBytes: png.length - 1 })
  assert.equal(await codeOf(post()), 'no-space')
  // Unfinished work does not make room.
  await start({ jobsMaxBytes: png.length + other.length - 1 })
  await create()
  assert.equal(await codeOf(post({}, {}, other)), 'busy')
})

test('a result that only unfinished work leaves no room for says so, and no other goes for nothing', async () => {
  const room = 2 * png.length
  await start({ jobsMaxBytes: room })
  const kept = await create()
  await finish(kept, 'x'.repeat(100))
  const running = await create()
  await create({}, {}, png.subarray(0, png.length - 100))
  const failed = await finish(running, 'x'.repeat(png.length + 101))
  assert.deepEqual([failed.state, failed.error!.code], ['failed', 'no-space'])
  assert.match(failed.error!.detail, /beside unfinished jobs.*try again/)
  assert.equal((await resultOf(kept)).status, 200)
})

test('a job has a deadline of its own, from when it begins to run', { timeout: 60_000 }, async () => {
  engine = heldEngine()
  await start({ requestDeadlineMs: 1, deadlinePerMegapixelMs: 0, jobDeadlineMs: 2000 })
  const [first, second] = [await create(), await create({}, {}, other)]
  const held = await heldFor(first)
  time.turn(1999)
  assert.equal((await look(first)).state, 'running')
  time.turn(1)
  await held.aborted
  const { job: failed } = await until(await events(first), 'failed')
  const { code, status, expected } = failed.error!
  assert.deepEqual([code, status, expected], ['timeout', 504, '2000 ms'])
  await heldFor(second)
  time.turn(1999)
  assert.equal((await finish(second)).state, 'done')
})

test('so many finished jobs are remembered', async () => {
  await start({ maxKeptJobs: 2 })
  const jobs: JobView[] = []
  for (let i = 0; i < 3; i++) {
    const job = await create()
    jobs.push(await finish(job))
  }
  assert.equal(await codeOf(call(`/jobs/${jobs[0]!.id}`)), 'not-found')
  assert.deepEqual([await look(jobs[1]!), await look(jobs[2]!)], [jobs[1], jobs[2]])
})

test("another key's jobs are not there", async () => {
  const [alice, bob] = [makeKey('alice'), makeKey('bob')]
  await start({}, { keys: readKeys(`${alice.line},${bob.line}`)! })
  const as = ({ key }: { key: string }) => ({ 'X-API-Key': key })
  const same = { 'Idempotency-Key': 'same' }
  const job = await create({ ...as(alice), ...same })
  const his = await create({ ...as(bob), ...same })
  assert.notEqual(job.id, his.id)
  for (const path of [`/jobs/${job.id}`, `/jobs/${job.id}/result`])
    assert.equal(await codeOf(call(path, { headers: as(bob) })), 'not-found')
  assert.equal(await codeOf(call(`/jobs/${job.id}`)), 'unauthorized')
  assert.equal((await call(`/jobs/${job.id}`, { method: 'DELETE', headers: as(bob) })).status, 204)
  assert.equal((await viewIn(await call(`/jobs/${job.id}`, { headers: as(alice) }))).state, 'running')
})

test('without API keys, the Idempotency-Keys of two addresses are apart', async () => {
  await start({ trustedProxies: 1 })
  const from = (address: string) => ({ 'X-Forwarded-For': address, 'Idempotency-Key': 'same' })
  const mine = await create(from('192.0.2.1'))
  const theirs = await create(from('192.0.2.2'), {}, other)
  assert.notEqual(theirs.id, mine.id)
  assert.equal((await create(from('192.0.2.1'))).id, mine.id)
})

test('shutting down: what waits is cancelled, what runs is finished and fetched', async () => {
  await start()
  const running = await create()
  const queued = await create({}, {}, other)
  const held = await heldFor(running)
  const stream = await events(running)
  let drained = false
  const draining = server.jobs.drain().then(() => (drained = true))
  const cancelled = await look(queued)
  assert.deepEqual([cancelled.state, cancelled.error!.code], ['cancelled', 'busy'])
  assert.equal((await resultOf(queued)).status, 503)
  held.finish()
  await until(stream, 'done')
  assert.equal(drained, false)
  assert.equal(await (await resultOf(running)).text(), 'a picture')
  await draining
  // Nobody waits for what was deleted.
  await start()
  const deleted = await create()
  await heldFor(deleted)
  const [, ended] = await Promise.all([call(`/jobs/${deleted.id}`, { method: 'DELETE' }), server.jobs.drain()])
  assert.equal(ended, undefined)
})

test('what is not finished when the server ends says so, and nothing stays on disk', async () => {
  await start()
  const job = await create()
  const root = dirname(dirname((await heldFor(job)).job.output!))
  assert.equal((await stat(root)).mode & 0o777, 0o700)
  const stream = await events(job)
  await server.jobs.close()
  const { job: failed } = await until(stream, 'failed')
  assert.deepEqual([failed.error!.code, failed.error!.status], ['busy', 503])
  await assert.rejects(stat(root), { code: 'ENOENT' })
})

test('a folder that the cleaner of temporary files took is made again; a disk that fails is told of without a path', async () => {
  await start()
  await finish(await create())
  const root = dirname(dirname(engine.jobs.at(-1)!.job.output!))
  await rm(root, { recursive: true })
  assert.equal((await finish(await create())).state, 'done')
  assert.equal((await stat(root)).mode & 0o777, 0o700)

  await rm(root, { recursive: true })
  await writeFile(root, '')
  const problem = await problemOf(await post())
  assert.equal(problem.status, 500)
  assert.doesNotMatch(JSON.stringify(problem), /tmp|uprez-jobs/)
})

test('the folder goes when its process exits, and what a killed one left goes when the next one starts', async () => {
  const base = await mkdtemp(join(tmpdir(), 'uprez-'))
  const module = new URL('../../serve/jobs-folder.js', import.meta.url).href
  const run = (then: string) =>
    once(
      spawn(
        process.execPath,
        ['--input-type=module', '-e', `const { openJobsFolder } = await import('${module}'); await openJobsFolder('${base}'); ${then}`],
        {
          stdio: 'inherit',
        },
      ),
      'exit',
    )
  try {
    assert.deepEqual(await run('process.exit(130)'), [130, null])
    assert.deepEqual(await readdir(base), [])
    assert.deepEqual(await run("process.kill(process.pid, 'SIGKILL')"), [null, 'SIGKILL'])
    const [left] = await readdir(base)
    const folder = await openJobsFolder(base)
    const second = await openJobsFolder(base)
    const there = await readdir(base)
    assert.equal(there.length, 2)
    assert.ok(!there.includes(left!))
    await folder.close()
    await second.close()
    assert.deepEqual(await readdir(base), [])
  } finally {
    await rm(base, { recursive: true })
  }
})
