import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAdmission } from '../../serve/admission.js'
import { makeKey, readKeys } from '../../serve/keys.js'
import { createRate } from '../../serve/rate.js'
import { drawPhoto } from '../support/draw.js'
import { encode, form, formHead, heldEngine, problemOf, startServer, wire } from './support.js'

const png = await encode(drawPhoto(8, 8))

test('more pictures than there are places are refused as busy, with a time to come back, until one is done', async () => {
  const engine = heldEngine()
  const server = await startServer(engine, { maxInFlight: 2 })
  try {
    const post = () => fetch(`${server.url}/upscale`, { method: 'POST', body: form(png) })
    const first = [post(), post()]
    await engine.begun(2)
    const refused = await post()
    assert.equal(refused.headers.get('retry-after'), '2')
    assert.equal((await problemOf(refused)).code, 'busy')
    for (const job of engine.jobs) job.finish()
    for (const answer of await Promise.all(first)) assert.equal(await answer.text(), 'a picture')
    const third = post()
    await engine.begun(3)
    engine.jobs[2]!.finish()
    assert.equal((await third).status, 200)
  } finally {
    await server.close()
  }
})

const LIMITS = { maxInFlight: 10, maxInFlightBytes: 100, maxInFlightMegapixels: 50, clientInFlight: 0 }

test('bytes on their way are bounded too, but one picture alone is always let in', () => {
  const admission = createAdmission(LIMITS)
  const enter = (bytes: number) => admission.enter('somebody', bytes)
  const large = enter(150)
  assert.throws(() => enter(1), { code: 'busy' })
  large.leave()
  large.leave()
  large.holds(150)
  const first = enter(60)
  enter(40)
  assert.throws(() => enter(1), { code: 'busy' })
  first.holds(50)
  enter(10)
  first.holds(1000)
  assert.throws(() => enter(1), { code: 'busy' })
  first.leave()
  enter(50)
})

test('megapixels in the engine are bounded, but one picture alone is always let in', () => {
  const admission = createAdmission(LIMITS)
  const enter = () => admission.enter('somebody', 1)
  const [huge, small] = [enter(), enter()]
  huge.works(400)
  assert.throws(() => small.works(1), { code: 'busy', expected: 'at most 50 megapixels at once' })
  assert.deepEqual(admission.held, { requests: 2, bytes: 2, megapixels: 400 })
  huge.worked()
  assert.deepEqual(admission.held, { requests: 2, bytes: 2, megapixels: 0 })
  small.works(30)
  enter().works(20)
  assert.throws(() => enter().works(1), { code: 'busy' })
  small.leave()
  enter().works(30)
})

test('who is refused is told to come back when there will be room, by the rate at which pictures are made', () => {
  let now = 0
  const admission = createAdmission(
    { ...LIMITS, maxInFlight: 4 },
    createRate(() => now),
  )
  const enter = () => admission.enter('somebody', 1)
  const first = enter()
  first.works(40)
  assert.throws(() => enter().works(20), { retryAfter: 2 }, 'nothing is known of the rate yet')
  now = 20_000
  first.worked()
  first.leave()
  // Two megapixels a second.
  enter().works(45)
  assert.throws(() => enter().works(25), { retryAfter: 10 }, '20 megapixels must be done first')
  enter()
  assert.throws(() => enter(), { code: 'busy', retryAfter: 23 }, 'one of 45 must be done first')
})

test('one client may have so many pictures on their way, whatever the others have', () => {
  const admission = createAdmission({ ...LIMITS, clientInFlight: 2 })
  const first = admission.enter('a', 1)
  admission.enter('a', 1)
  assert.throws(() => admission.enter('a', 1), { code: 'rate-limited', expected: 'at most 2 pictures of one client at once' })
  admission.enter('b', 1)
  first.leave()
  admission.enter('a', 1)
})

test('over HTTP: a client beyond its own limit gets 429, and a picture beyond the megapixels 503, each with a time to come back', async () => {
  const engine = heldEngine(30e6)
  const server = await startServer(engine, { clientInFlight: 2, maxInFlightMegapixels: 50 })
  try {
    const post = () => fetch(`${server.url}/upscale`, { method: 'POST', body: form(png) })
    const first = post()
    await engine.begun(1)
    const refused = await post()
    assert.equal((await problemOf(refused)).code, 'busy')
    assert.equal(refused.headers.get('retry-after'), '2')

    const { write, saw, socket } = await wire(server.port)
    write(formHead('Content-Length: 5000\r\nExpect: 100-continue\r\n'))
    await saw('100 Continue')
    const third = await post()
    assert.equal((await problemOf(third)).code, 'rate-limited')
    assert.equal(third.headers.get('retry-after'), '2')
    socket.destroy()
    engine.jobs[0]!.finish()
    assert.equal((await first).status, 200)
  } finally {
    await server.close()
  }
})

test('clients are told apart by their key, where there are keys', async () => {
  const engine = heldEngine()
  const [a, b] = [makeKey('a'), makeKey('b')]
  const server = await startServer(engine, { clientInFlight: 1 }, { keys: readKeys(`${a.line},${b.line}`) })
  try {
    const post = ({ key }: { key: string }) =>
      fetch(`${server.url}/upscale`, { method: 'POST', body: form(png), headers: { 'X-API-Key': key } })
    const first = post(a)
    await engine.begun(1)
    assert.equal((await problemOf(await post(a))).code, 'rate-limited')
    const other = post(b)
    await engine.begun(2)
    for (const job of engine.jobs) job.finish()
    assert.deepEqual([(await first).status, (await other).status], [200, 200])
  } finally {
    await server.close()
  }
})

test('a picture that is not done at its deadline is answered with timeout, and its work is stopped', async () => {
  const engine = heldEngine(10e6)
  const server = await startServer(engine, { requestDeadlineMs: 20, deadlinePerMegapixelMs: 1 })
  try {
    const problem = await problemOf(await fetch(`${server.url}/upscale`, { method: 'POST', body: form(png) }))
    assert.equal(problem.code, 'timeout')
    assert.equal(problem.status, 504)
    assert.equal(problem.expected, '30 ms')
    await engine.jobs[0]!.aborted
  } finally {
    await server.close()
  }
})

test('without a deadline it has all the time', async () => {
  const engine = heldEngine(10e6)
  const server = await startServer(engine, { requestDeadlineMs: 0 })
  try {
    const answer = fetch(`${server.url}/upscale`, { method: 'POST', body: form(png) })
    await engine.begun(1)
    await new Promise(setImmediate)
    engine.jobs[0]!.finish()
    assert.equal((await answer).status, 200)
  } finally {
    await server.close()
  }
})

test('when the client goes away the job is aborted', async () => {
  const engine = heldEngine()
  const server = await startServer(engine)
  try {
    const client = new AbortController()
    const answer = fetch(`${server.url}/upscale`, { method: 'POST', body: form(png), signal: client.signal })
    await engine.begun(1)
    client.abort()
    await assert.rejects(answer)
    await engine.jobs[0]!.aborted
  } finally {
    await server.close()
  }
})

test('a bug in the engine is answered without its words', async () => {
  const server = await startServer({ ...heldEngine(), upscale: () => Promise.reject(new TypeError('secret /home/somebody')) })
  try {
    const problem = await problemOf(await fetch(`${server.url}/upscale`, { method: 'POST', body: form(png) }))
    assert.equal(problem.code, 'internal')
    assert.doesNotMatch(JSON.stringify(problem), /secret/)
  } finally {
    await server.close()
  }
})

test('UPREZ_RATE_LIMIT bounds the pictures per minute and address', async () => {
  const engine = heldEngine()
  const server = await startServer(engine, { rateLimit: 2 })
  try {
    const post = () => fetch(`${server.url}/upscale`, { method: 'POST', body: 'x', headers: { 'Content-Type': 'text/plain' } })
    for (let i = 0; i < 2; i++) assert.equal((await problemOf(await post())).code, 'unsupported-media-type')
    const third = await post()
    assert.ok(Number(third.headers.get('retry-after')) > 0)
    assert.equal((await problemOf(third)).code, 'rate-limited')
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200)
  } finally {
    await server.close()
  }
})
