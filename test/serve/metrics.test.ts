import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type Engine, startEngine } from '../../infer/engine.js'
import { makeKey, readKeys } from '../../serve/keys.js'
import { drawPhoto } from '../support/draw.js'
import { encode, form, heldEngine, problemOf, serverDocument, startServer, upscaled } from './support.js'

let engine: Engine
before(async () => {
  engine = await startEngine({ threads: 1 })
})
after(() => engine.close())

/** Figures by name and labels, such as `uprez_stage_seconds_count{stage="send"}`. https://prometheus.io/docs/instrumenting/exposition_formats/ */
async function scrape(url: string, headers: Record<string, string> = {}): Promise<Map<string, number>> {
  const answer = await fetch(`${url}/metrics`, { headers })
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/)
  const figures = new Map<string, number>()
  for (const line of (await answer.text()).trimEnd().split('\n')) {
    if (line === '' || /^# (HELP|TYPE) /.test(line)) continue
    const [, name, value] = /^([a-z_][a-z0-9_]*(?:\{(?:[a-z_]+="[^"\\]*",?)+\})?) (\S+)$/i.exec(line) ?? []
    assert.ok(name !== undefined && !figures.has(name), line)
    figures.set(name, Number(value))
  }
  return figures
}

/** A request is counted when its connection has nothing left to send, which its client may not wait for. */
async function scrapeUntil(url: string, name: string, value: number): Promise<Map<string, number>> {
  for (;;) {
    const figures = await scrape(url)
    if (figures.get(name) === value) return figures
  }
}

test('the sums agree with what was asked', { timeout: 60_000 }, async () => {
  const server = await startServer(engine)
  try {
    const tiles = engine.state.tiles
    const sizes = [
      [40, 30],
      [64, 64],
      [700, 20],
    ] as const
    const timings: string[] = []
    for (const [width, height] of sizes) {
      const { headers } = await upscaled(`${server.url}/upscale?scale=2`, { body: form(await encode(drawPhoto(width, height))) })
      timings.push(headers.get('server-timing')!)
    }
    await problemOf(await fetch(`${server.url}/upscale?scale=x`, { method: 'POST', body: form(undefined) }))
    await problemOf(await fetch(`${server.url}/upscale`, { method: 'POST', body: form(Buffer.from('text')) }))
    await problemOf(await fetch(`${server.url}/models/fast-x5/card.json`))
    await problemOf(await fetch(`${server.url}/who-knows`))
    await fetch(`${server.url}/models/fast-x4/card.json`).then(answer => answer.text())

    const seen = await scrapeUntil(server.url, 'uprez_http_requests_total{route="/models/:id/:file",method="GET",status="200"}', 1)
    const requests = (labels: string) => seen.get(`uprez_http_requests_total{${labels}}`)
    assert.equal(requests('route="/upscale",method="POST",status="200"'), 3)
    assert.equal(requests('route="/upscale",method="POST",status="400"'), 1)
    assert.equal(requests('route="/upscale",method="POST",status="415"'), 1)
    assert.equal(requests('route="/models/:id/:file",method="GET",status="404"'), 1)
    assert.equal(requests('route="other",method="GET",status="404"'), 1)
    assert.equal(seen.get('uprez_http_request_seconds_count{route="/upscale"}'), 5)
    for (const code of ['invalid-option', 'not-an-image', 'unknown-model', 'not-found']) {
      assert.equal(seen.get(`uprez_refusals_total{code="${code}"}`), 1, code)
    }

    for (const stage of ['queue', 'decode', 'upscale', 'encode', 'send']) {
      assert.equal(seen.get(`uprez_stage_seconds_count{stage="${stage}"}`), 3, stage)
    }
    // The text arrived as well.
    assert.equal(seen.get('uprez_stage_seconds_count{stage="upload"}'), 4)
    // What clients were told is what was counted.
    const told = timings.map(timing => Number(/upscale;dur=([\d.]+)/.exec(timing)![1])).reduce((a, b) => a + b)
    assert.ok(Math.abs(seen.get('uprez_stage_seconds_sum{stage="upscale"}')! * 1000 - told) < 0.3)

    const pixels = sizes.map(([width, height]) => width * height).reduce((a, b) => a + b)
    assert.equal(seen.get('uprez_pictures_total{model="fast-x4",provider="cpu"}'), 3)
    assert.ok(Math.abs(seen.get('uprez_input_megapixels_total')! - pixels / 1e6) < 1e-9)
    assert.ok(Math.abs(seen.get('uprez_output_megapixels_total')! - (4 * pixels) / 1e6) < 1e-9)
    assert.equal(seen.get('uprez_tiles_total'), engine.state.tiles)
    assert.ok(engine.state.tiles >= tiles + 4)
  } finally {
    await server.close()
  }
})

test('the state of the two processes and the models is there', async () => {
  const server = await startServer(engine)
  try {
    await upscaled(`${server.url}/upscale`, { body: form(await encode(drawPhoto(8, 8))) })
    const seen = await scrape(server.url)
    const version = server.shelf.standard.version.slice(0, 12)
    assert.equal(seen.get(`uprez_model_info{model="fast-x4",version="${version}",scale="4",default="true"}`), 1)
    assert.ok(seen.get(`uprez_model_loaded_bytes{model="fast-x4",version="${version}"}`)! > 1e6)
    assert.equal(seen.get('uprez_engine_info{provider="cpu"}'), 1)
    for (const name of ['server', 'engine']) assert.ok(seen.get(`uprez_resident_bytes{process="${name}"}`)! > 1e7, name)
    for (const reason of ['crash', 'hang', 'start']) assert.equal(seen.get(`uprez_engine_restarts_total{reason="${reason}"}`), 0)
    assert.ok(seen.has('nodejs_eventloop_lag_seconds'))
  } finally {
    await server.close()
  }
})

test('docs/server.md shows every figure of ours, and every header that stands beside all answers', async () => {
  const document = await serverDocument()
  const server = await startServer(heldEngine(), { rateLimit: 10 })
  try {
    const text = await (await fetch(`${server.url}/metrics`)).text()
    const names = [...text.matchAll(/^# TYPE (uprez_\w+) /gm)].map(([, name]) => name!)
    assert.ok(names.includes('uprez_provider_works'))
    for (const name of names) assert.ok(document.includes(`\`${name}\``), name)
    const { headers } = await fetch(`${server.url}/upscale`, { method: 'POST' })
    for (const name of ['X-Request-Id', 'RateLimit', 'RateLimit-Policy']) {
      assert.ok(headers.has(name) && document.includes(`\`${name}\``), name)
    }
  } finally {
    await server.close()
  }
})

test('what is under way shows', async () => {
  const held = heldEngine(3e6)
  const server = await startServer(held)
  try {
    const png = await encode(drawPhoto(8, 8))
    const answers = [1, 2].map(() => fetch(`${server.url}/upscale`, { method: 'POST', body: form(png) }))
    await held.begun(2)
    const seen = await scrape(server.url)
    assert.equal(seen.get('uprez_in_flight_requests'), 2)
    assert.equal(seen.get('uprez_in_flight_megapixels'), 6)
    assert.ok(seen.get('uprez_in_flight_bytes')! > 2 * png.length)
    for (const job of held.jobs) job.finish()
    await Promise.all(answers)
    await scrapeUntil(server.url, 'uprez_in_flight_requests', 0)
  } finally {
    await server.close()
  }
})

test('nothing that a client has sent becomes a label, and without a key there is no answer where keys are asked for', async () => {
  const { key, line } = makeKey('secret-owner')
  const server = await startServer(heldEngine(), {}, { keys: readKeys(line) })
  try {
    const headers = { 'X-API-Key': key }
    assert.equal((await problemOf(await fetch(`${server.url}/metrics`))).code, 'unauthorized')
    await problemOf(await fetch(`${server.url}/secret-path`, { headers }))
    await problemOf(await fetch(`${server.url}/models/secret-model/card.json`, { headers }))
    await problemOf(await fetch(`${server.url}/models`, { method: 'PROPFIND', headers }))
    const image = form(Buffer.from('secret-bytes'), { secret_option: '1' }, 'img', 'secret-name.png')
    await problemOf(await fetch(`${server.url}/upscale?model=secret-model`, { method: 'POST', body: image, headers }))
    const text = await (await fetch(`${server.url}/metrics`, { headers })).text()
    assert.match(text, /method="other",status="405"/)
    assert.doesNotMatch(text, /secret/)
    assert.ok(!text.includes(key) && !text.includes('PROPFIND'))
    const posted = await fetch(`${server.url}/metrics`, { method: 'POST', headers })
    assert.equal((await problemOf(posted)).code, 'method-not-allowed')
  } finally {
    await server.close()
  }
})
