import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { UprezError } from '../../errors.js'
import { crossOrigin } from '../../serve/cors.js'
import { makeKey, readKeys } from '../../serve/keys.js'
import { drawPhoto } from '../support/draw.js'
import { encode, form, heldEngine, problemOf, startServer, type TestServer } from './support.js'

const alice = makeKey('alice')
const bob = makeKey('bob')
const ORIGIN = 'https://pictures.example'
let server: TestServer
let folder: string
let logged = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-doors-'))
  const sink = new Writable({
    write(chunk, _encoding, done) {
      logged += chunk
      done()
    },
  })
  server = await startServer(
    heldEngine(),
    {},
    { keys: readKeys(`${alice.line},${bob.line}`), cors: [ORIGIN], log: pino({ base: undefined }, sink) },
  )
})
after(async () => {
  await server?.close()
  await rm(folder, { recursive: true })
})

const get = (path: string, headers: Record<string, string> = {}) => fetch(server.url + path, { headers })

test('a key opens every door, as bearer or in its own header; without one only the health pages answer', async () => {
  for (const path of ['/models', '/', '/models/fast-x4/card.json', '/nothing']) {
    const refused = await get(path)
    assert.equal(refused.status, 401)
    assert.match(refused.headers.get('www-authenticate')!, /^Bearer realm="uprez"$/)
    assert.equal((await problemOf(refused)).code, 'unauthorized')
  }
  for (const [name, value] of [
    ['Authorization', `Bearer ${alice.key}`],
    ['authorization', `bearer ${bob.key}`],
    ['X-API-Key', bob.key],
  ] as const) {
    assert.equal((await get('/models', { [name]: value })).status, 200)
  }
  for (const path of ['/healthz', '/readyz']) assert.equal((await get(path)).status, 200)
})

test('where both headers come, one known key is enough', async () => {
  for (const [bearer, header] of [
    [alice.key, 'of the proxy'],
    ['of the proxy', bob.key],
  ]) {
    assert.equal((await get('/models', { Authorization: `Bearer ${bearer}`, 'X-API-Key': header! })).status, 200)
  }
  assert.equal((await get('/models', { Authorization: 'Bearer neither', 'X-API-Key': 'nor' })).status, 401)
})

test('what is nearly a key is not one', async () => {
  const hash = alice.line.split(':')[1]!
  for (const key of [alice.key.slice(0, -1), `${alice.key}x`, hash, 'alice', alice.line, alice.key.toUpperCase()]) {
    const refused = await get('/models', { Authorization: `Bearer ${key}` })
    assert.equal(refused.status, 401)
    assert.match(refused.headers.get('www-authenticate')!, /invalid_token/)
    const problem = await problemOf(refused)
    assert.ok(!JSON.stringify(problem).includes(key) || key === 'alice')
  }
  assert.equal((await get('/models', { Authorization: `Basic ${btoa(`alice:${alice.key}`)}` })).status, 401)
})

test('log lines name who asked, with an id that the answer tells too, and never show a key', async () => {
  const answer = await get('/models?key=hidden', { 'X-API-Key': alice.key, 'X-Request-Id': 'proxy-17' })
  assert.equal(answer.headers.get('x-request-id'), 'proxy-17')
  const forged = await get('/models', { 'X-API-Key': alice.key, 'X-Request-Id': 'a b"c' })
  assert.match(forged.headers.get('x-request-id')!, /^[0-9a-f-]{36}$/)
  await answer.text()
  await forged.text()
  const line = logged.split('\n').find(line => line.includes('proxy-17'))
  assert.equal(JSON.parse(line!).client, 'alice')
  for (const secret of [alice.key, bob.key, 'hidden', 'a b']) assert.ok(!logged.includes(secret))
})

test('a file of keys is read again when it changes; a broken or missing one leaves them as they were, which is said once', async () => {
  const file = join(folder, 'keys')
  const said: string[] = []
  const sink = new Writable({ write: (chunk, _encoding, done) => done(void said.push(String(chunk))) })
  await writeFile(file, `# ours\n${alice.line} # the first\n\n${bob.line}\n`)
  const keys = readKeys(file, pino({ base: undefined, level: 'error' }, sink))!
  assert.equal(keys.ownerOf(alice.key), 'alice')
  assert.equal(keys.ownerOf(bob.key), 'bob')
  await writeFile(file, `${bob.line}\n`)
  assert.equal(keys.ownerOf(alice.key), undefined)
  assert.equal(keys.ownerOf(bob.key), 'bob')
  assert.deepEqual(said, [])
  const refuses = (reason: RegExp) => {
    for (let asked = 0; asked < 3; asked++) assert.equal(keys.ownerOf(bob.key), 'bob')
    assert.equal(said.length, 1)
    assert.match(said.pop()!, reason)
  }
  await writeFile(file, `${bob.line}\nalice:${alice.key}\n`)
  refuses(/entry 2: expected name:sha256(?!.*uprez_)/)
  await rm(file)
  refuses(/ENOENT/)
  await writeFile(file, `${alice.line}\n`)
  assert.deepEqual([keys.ownerOf(alice.key), keys.ownerOf(bob.key)], ['alice', undefined])
})

test('an emptied file of keys lets nobody in, and none is begun with', async () => {
  const file = join(folder, 'emptied')
  await writeFile(file, `${alice.line}\n`)
  const keys = readKeys(file)!
  assert.equal(keys.ownerOf(alice.key), 'alice')
  for (const text of ['', '# nobody\n']) {
    await writeFile(file, text)
    assert.equal(keys.ownerOf(alice.key), undefined)
    assert.throws(() => readKeys(file), { code: 'invalid-option', message: /at least one key/ })
  }
  await writeFile(file, `${alice.line}\n`)
  assert.equal(keys.ownerOf(alice.key), 'alice')
})

test('keys that were put where their hashes belong are refused without being shown', () => {
  assert.equal(readKeys(undefined), undefined)
  assert.equal(readKeys(' '), undefined)
  for (const text of [`alice:${alice.key}`, alice.line.slice(0, -1), `a b:${'0'.repeat(64)}`, ', :']) {
    assert.throws(
      () => readKeys(text),
      (error: Error & { code: string; param: string }) =>
        error.code === 'invalid-option' && error.param === 'UPREZ_API_KEYS' && !error.message.includes(alice.key),
    )
  }
  assert.throws(() => readKeys('./nowhere'), { code: 'invalid-option', message: /uprez key NAME/ })
  assert.throws(() => makeKey('a b'), { code: 'invalid-option', param: 'name' })
})

test('an error of our own files tells the client none of their paths, and the log all, under the id that the answer has', async () => {
  const said: string[] = []
  const sink = new Writable({ write: (chunk, _encoding, done) => done(void said.push(String(chunk))) })
  const engine = heldEngine()
  const own = await startServer(engine, {}, { log: pino({ base: undefined }, sink) })
  try {
    const codes = ['model-mismatch', 'invalid-card', 'unknown-model', 'not-writable', 'no-input', 'internal'] as const
    for (const [i, code] of codes.entries()) {
      const answer = fetch(`${own.url}/upscale`, { method: 'POST', body: form(await encode(drawPhoto(8, 8))) })
      await engine.begun(i + 1)
      engine.jobs[i]!.fail(new UprezError(code, `/srv/secret/${code}: is not right`, { got: '/srv/secret', expected: '/srv/secret' }))
      const id = (await answer).headers.get('x-request-id')!
      const problem = await problemOf(await answer)
      assert.equal(problem.code, code)
      assert.doesNotMatch(JSON.stringify(problem), /secret/)
      if (problem.status === 500)
        assert.ok(
          said.some(line => line.includes(`/srv/secret/${code}`) && line.includes(`"id":"${id}"`)),
          code,
        )
    }
  } finally {
    await own.close()
  }
})

test('where addresses are counted, a proxy that nobody announced is noted in the log, once', async () => {
  for (const [limits, times] of [
    [{ rateLimit: 100 }, 1],
    [{ clientInFlight: 2, trustedProxies: 1 }, 0],
    [{}, 0],
  ] as const) {
    const said: string[] = []
    const sink = new Writable({ write: (chunk, _encoding, done) => done(void said.push(String(chunk))) })
    const own = await startServer(heldEngine(), limits, { log: pino({ base: undefined }, sink) })
    try {
      for (const address of ['192.0.2.1', '192.0.2.2']) {
        const answer = await fetch(`${own.url}/upscale`, { method: 'POST', headers: { 'X-Forwarded-For': address } })
        assert.equal((await problemOf(answer)).code, 'missing-image')
      }
    } finally {
      await own.close()
    }
    assert.equal(said.join('').split('TRUST_PROXY').length - 1, times, JSON.stringify(limits))
  }
})

test('pages of the origins named may call, others may not', async () => {
  const preflight = (origin: string) =>
    fetch(`${server.url}/upscale`, {
      method: 'OPTIONS',
      headers: { Origin: origin, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'x-api-key' },
    })
  const allowed = await preflight(ORIGIN)
  assert.equal(allowed.status, 204)
  assert.equal(allowed.headers.get('access-control-allow-origin'), ORIGIN)
  assert.match(allowed.headers.get('access-control-allow-headers')!, /X-API-Key/i)
  assert.equal((await preflight('https://elsewhere.example')).headers.get('access-control-allow-origin'), null)

  const answer = await get('/models', { Origin: ORIGIN, 'X-API-Key': alice.key })
  assert.equal(answer.headers.get('access-control-allow-origin'), ORIGIN)
  assert.equal(answer.headers.get('cross-origin-resource-policy'), 'cross-origin')
  assert.match(answer.headers.get('access-control-expose-headers')!, /X-Request-Id/)
  for (const origin of ['example.org', 'https://example.org/', 'https://example.org/page', '']) {
    assert.throws(() => crossOrigin([origin]), { code: 'invalid-option', param: 'cors' })
  }
})
