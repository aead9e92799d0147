import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseCard } from '../../models/card.js'
import { heldEngine, problemOf, startServer, type TestServer, wire } from './support.js'

/** Everything but POST /upscale. */

let folder: string
let server: TestServer

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-'))
  await mkdir(join(folder, 'page/assets'), { recursive: true })
  await writeFile(join(folder, 'secret.txt'), 'secret')
  await writeFile(join(folder, 'page/index.html'), '<title>page</title>')
  await writeFile(join(folder, 'page/assets/main-abc123.js'), 'export {}')
  await writeFile(join(folder, 'page/assets/ort-abc123.wasm'), '\0asm')
  server = await startServer(heldEngine(), {}, { pageFolder: join(folder, 'page') })
})
after(async () => {
  await server?.close()
  await rm(folder, { recursive: true })
})

const get = (path: string, init?: RequestInit) => fetch(server.url + path, init)

test('GET /models lists the models, one of them the default', async () => {
  const { models } = (await (await get('/models')).json()) as { models: Record<string, unknown>[] }
  assert.deepEqual(
    models.map(({ id, scale, default: standard, card }) => ({ id, scale, standard, card })),
    [{ id: 'fast-x4', scale: 4, standard: true, card: '/models/fast-x4/card.json' }],
  )
  assert.deepEqual(await (await get('/models/index.json')).json(), { models })
})

test('a card and the graphs it names can be fetched; the bytes have the sum on the card, which is the ETag', async () => {
  const card = parseCard(await (await get('/models/fast-x4/card.json')).json(), 'the server')
  assert.deepEqual(card, server.shelf.standard.card)
  for (const graph of [card.model, ...Object.values(card.variants)]) {
    const path = `/models/fast-x4/${graph.file}`
    const answer = await get(path)
    const bytes = Buffer.from(await answer.arrayBuffer())
    assert.equal(createHash('sha256').update(bytes).digest('hex'), graph.sha256)
    assert.equal(answer.headers.get('etag'), `"${graph.sha256}"`)
    await unchanged(path, graph.sha256)
  }
  const etag = (await get('/models/fast-x4/card.json')).headers.get('etag')!
  await unchanged('/models/fast-x4/card.json', etag.slice(1, -1))
})

/** fetch with If-None-Match would also ask caches to stand aside. */
async function unchanged(path: string, sum: string): Promise<void> {
  const { write, rest } = await wire(server.port)
  write(`GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nIf-None-Match: "${sum}"\r\n\r\n`)
  assert.match(await rest(), /^HTTP\/1\.1 304 /)
}

test('nothing else of the disk can be fetched', async () => {
  const paths = [
    '/models/fast-x4/weights',
    '/models/fast-x4/..%2f..%2fpackage.json',
    '/models/..%2f..%2f/package.json',
    '/models/%2e%2e/package.json',
    '/models/../package.json',
    '/models/fast-x4/%00card.json',
    '/models/nothing/card.json',
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/assets/%2e%2e/%2e%2e/secret.txt',
    '/%c0%ae%c0%ae/secret.txt',
    '/%',
  ]
  for (const path of paths) {
    // fetch would tidy the path up.
    const { write, rest } = await wire(server.port)
    write(`GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`)
    assert.match(await rest(), /^HTTP\/1\.1 40[034] .*application\/problem\+json/s, path)
  }
})

test('the page is served, hashed files for ever and the rest to be asked for again', async () => {
  const index = await get('/')
  assert.equal(await index.text(), '<title>page</title>')
  assert.equal(index.headers.get('cache-control'), 'no-cache')
  const script = await get('/assets/main-abc123.js')
  assert.match(script.headers.get('content-type')!, /^text\/javascript/)
  assert.equal(script.headers.get('cache-control'), 'public, max-age=31536000, immutable')
  const wasm = await get('/assets/ort-abc123.wasm')
  assert.equal(wasm.headers.get('content-type'), 'application/wasm')
})

test('without a built page there is a word about it', async () => {
  const bare = await startServer(heldEngine(), {}, { pageFolder: join(folder, 'nowhere') })
  try {
    const answer = await fetch(bare.url)
    assert.equal(answer.status, 404)
    assert.match(await answer.text(), /npm run build/)
  } finally {
    await bare.close()
  }
})

test('every answer is cross-origin isolated and says what may run', async () => {
  for (const path of ['/', '/assets/main-abc123.js', '/models', '/healthz', '/nothing']) {
    const { headers } = await get(path)
    assert.equal(headers.get('cross-origin-opener-policy'), 'same-origin', path)
    assert.equal(headers.get('cross-origin-embedder-policy'), 'require-corp', path)
    assert.equal(headers.get('x-content-type-options'), 'nosniff', path)
    assert.equal(headers.get('x-powered-by'), null)
    const policy = headers.get('content-security-policy')!
    assert.match(policy, /script-src [^;]*'wasm-unsafe-eval'/)
    assert.doesNotMatch(policy, /'unsafe-eval'|upgrade-insecure-requests/)
  }
})

test('health and readiness say how it is', async () => {
  assert.deepEqual(await (await get('/healthz')).json(), { status: 'ok', engine: null })
  assert.deepEqual(await (await get('/readyz')).json(), { status: 'ready' })
  try {
    server.state.ready = false
    assert.equal((await get('/readyz')).status, 503)
    server.state.closing = true
    assert.deepEqual(await (await get('/readyz')).json(), { status: 'closing' })
    assert.equal((await problemOf(await get('/upscale', { method: 'POST' }))).code, 'busy')
  } finally {
    Object.assign(server.state, { ready: true, closing: false })
  }
})

test('the wrong method is told the right one, and nowhere is told where to go', async () => {
  const wrong = await get('/upscale')
  assert.equal(wrong.headers.get('allow'), 'POST')
  assert.equal((await problemOf(wrong)).code, 'method-not-allowed')
  const nowhere = await problemOf(await get('/upscal', { method: 'POST' }))
  assert.equal(nowhere.code, 'not-found')
  assert.match(nowhere.expected!, /POST \/upscale/)
})
