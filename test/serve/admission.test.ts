import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAdmission } from '../../serve/admission.js'
import { drawPhoto } from '../support/draw.js'
import { encode, form, heldEngine, problemOf, startServer } from './support.js'

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

test('bytes on their way are bounded too, but one picture alone is always let in', () => {
  const admission = createAdmission({ maxInFlight: 10, maxInFlightBytes: 100 })
  const large = admission.enter(150)
  assert.throws(() => admission.enter(1), { code: 'busy' })
  large.leave()
  large.leave()
  large.holds(150)
  const first = admission.enter(60)
  admission.enter(40)
  assert.throws(() => admission.enter(1), { code: 'busy' })
  first.holds(50)
  admission.enter(10)
  first.holds(1000)
  assert.throws(() => admission.enter(1), { code: 'busy' })
  first.leave()
  admission.enter(50)
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
