import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Express } from 'express'
import sharp from 'sharp'
import { ERROR_TABLE } from '../../errors.js'
import { type Engine, startEngine } from '../../infer/engine.js'
import { upscaleCard } from '../../models/card.js'
import { createApp } from '../../serve/app.js'
import { makeKey, readKeys } from '../../serve/keys.js'
import { readServerLimits } from '../../serve/limits.js'
import type { Answer, Api, Operation, Schema } from '../../serve/openapi-parts.js'
import { modelListSchema } from '../../serve/openapi-parts.js'
import { OPTIONS } from '../../serve/options.js'
import { drawPhoto } from '../support/draw.js'
import { encode, form, problemOf, startServer, type TestServer } from './support.js'

let engine: Engine
let server: TestServer
let api: Api
const png = await encode(drawPhoto(20, 10))

before(async () => {
  engine = await startEngine({ threads: 1 })
  server = await startServer(engine)
  api = (await (await get('/openapi.json')).json()) as Api
})
after(async () => {
  await server?.close()
  await engine?.close()
})

const get = (path: string, init?: RequestInit) => fetch(server.url + path, init)

interface Described {
  path: string
  method: string
  operation: Operation
}
const operations = (): Described[] =>
  Object.entries(api.paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => ({ path, method, operation })))

/** Everything in a JSON document, with where it is. */
function* walk(value: unknown, at: string[] = []): Generator<[string[], unknown]> {
  yield [at, value]
  if (typeof value === 'object' && value !== null) for (const [key, inner] of Object.entries(value)) yield* walk(inner, [...at, key])
}

const deref = (schema: Schema): Schema => {
  const name = /^#\/components\/schemas\/(\w+)$/.exec(String(schema.$ref))?.[1]
  return name === undefined ? schema : api.components.schemas[name]!
}

test('the description holds together: references, parameters of paths, names, statuses, tags', () => {
  assert.match(api.openapi, /^3\.1\.\d+$/)
  for (const [at, value] of walk(api)) {
    if (at.at(-1) !== '$ref') continue
    assert.match(String(value), /^#\/components\/schemas\/\w+$/)
    assert.ok(deref({ $ref: value }), `${at.join('/')}: ${value}`)
  }
  const ids = operations().map(({ operation }) => operation.operationId)
  assert.equal(new Set(ids).size, ids.length)
  const tags = api.tags.map(({ name }) => name)
  for (const { path, operation } of operations()) {
    const { parameters = [], responses } = operation
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    assert.deepEqual(
      parameters.filter(({ in: place }) => place === 'path').map(({ name }) => name),
      named,
      path,
    )
    assert.equal(new Set(parameters.map(({ name, in: place }) => `${place} ${name}`)).size, parameters.length)
    assert.ok(tags.includes(operation.tags[0]))
    assert.ok(Object.keys(responses).some(status => /^2\d\d$/.test(status)))
    for (const [status, { description, content = {}, links = {} }] of Object.entries(responses)) {
      assert.match(status, /^[2-5]\d\d$/)
      assert.ok(description.length > 0)
      for (const { schema } of Object.values(content)) assert.equal(typeof schema, 'object')
      for (const { operationId } of Object.values(links)) assert.ok(ids.includes(operationId))
    }
  }
})

test('every route is described, and nothing else', () => {
  const found = new Set<string>()
  const look = (stack: Layer[]) => {
    for (const { route, handle } of stack) {
      if (route) for (const path of [route.path].flat()) for (const method of Object.keys(route.methods)) found.add(`${method} ${path}`)
      else if (handle?.stack) look(handle.stack)
    }
  }
  interface Layer {
    route?: { path: string | string[]; methods: Record<string, boolean> }
    handle?: { stack?: Layer[] }
  }
  const { jobs, shelf, state } = server
  const app: Express = createApp({ engine, jobs, shelf, state, limits: readServerLimits({}, {}), pageFolder: '/nowhere' })
  look((app.router as unknown as { stack: Layer[] }).stack)
  const described = operations().map(({ path, method }) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`)
  const routes = [...found].filter(route => /^(get|post|put|patch|delete) /.test(route))
  // The page and its style, the page's own way to the models, and a file among the others.
  const unsaid = ['get /', 'get /docs/style.css', 'get /models/index.json']
  assert.deepEqual(
    routes.filter(route => !unsaid.includes(route)).sort(),
    described.filter(route => route !== 'get /models/:id/card.json').sort(),
  )
})

test('options, errors and schemas are those that the server goes by', async () => {
  const upscale = api.paths['/upscale']!.post!
  assert.deepEqual(
    upscale.parameters!.map(({ name }) => name),
    Object.keys(OPTIONS),
  )
  const body = upscale.requestBody!.content['multipart/form-data']!.schema as { properties: Record<string, Schema> }
  assert.deepEqual(Object.keys(body.properties), ['img', ...Object.keys(OPTIONS)])
  for (const { name, schema } of upscale.parameters!) {
    const option = OPTIONS[name as keyof typeof OPTIONS]
    if (typeof schema.minimum !== 'number' || typeof schema.maximum !== 'number') continue
    for (const inside of [schema.minimum, schema.maximum]) assert.ok(option.safeParse(String(inside)).success, `${name} ${inside}`)
    for (const outside of [schema.minimum - 1, schema.maximum + 1])
      assert.ok(!option.safeParse(String(outside)).success, `${name} ${outside}`)
  }
  for (const { path, operation } of operations()) {
    for (const [status, answer] of Object.entries(operation.responses)) {
      for (const code of codesOf(answer))
        assert.equal(ERROR_TABLE[code as keyof typeof ERROR_TABLE].status, Number(status), `${path} ${code}`)
    }
  }
  modelListSchema.parse(await (await get('/models')).json())
  upscaleCard.parse(await (await get('/models/fast-x4/card.json')).json())
})

const codesOf = (answer: Answer): string[] => Object.keys(answer.content?.['application/problem+json']?.examples ?? {})

test('what requests are refused for is described', async () => {
  const post = (path: string, body: FormData | string, headers = {}) => get(path, { method: 'POST', body, headers })
  const gif = Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1')
  const refused: [path: string, method: 'get' | 'post', answer: Promise<Response>][] = []
  for (const path of ['/upscale', '/jobs']) {
    const add = (answer: Promise<Response>) => refused.push([path, 'post', answer])
    add(post(path, form(undefined)))
    add(post(path, form(Buffer.alloc(0))))
    add(post(path, form(png, { sclae: '2' })))
    add(post(path, form(png, { scale: '2', width: '3' })))
    add(post(path, form(png, { model: 'nothing' })))
    add(post(path, form(Buffer.from('text'))))
    add(post(path, form(gif)))
    add(post(path, 'text', { 'Content-Type': 'text/plain' }))
    add(post(path, '--B', { 'Content-Type': 'multipart/form-data; boundary=B' }))
  }
  refused.push(['/upscale', 'post', post('/upscale', form(png.subarray(0, -40)))])
  refused.push(['/upscale', 'post', post('/upscale', form(png, { scale: '64', width: '60000', height: '60000' }))])
  refused.push(['/upscale', 'post', post('/upscale', form(png, { width: '60000', format: 'webp' }))])
  refused.push(['/upscale', 'post', post('/upscale', form(png), { Accept: 'text/html' })])
  refused.push(['/jobs', 'post', post('/jobs', form(png), { 'Idempotency-Key': 'a b' })])
  refused.push(['/jobs/{id}', 'get', get('/jobs/nothing')])
  refused.push(['/jobs/{id}/result', 'get', get('/jobs/nothing/result')])
  refused.push(['/models/{id}/{file}', 'get', get('/models/fast-x4/nothing')])
  refused.push(['/v2/models/{id}', 'get', get('/v2/models/nothing')])
  for (const [path, method, answer] of refused) {
    const { status, code } = await problemOf(await answer)
    const described = api.paths[path]![method]!.responses[status]
    assert.ok(described && codesOf(described).includes(code), `${method} ${path}: ${status} ${code}`)
  }
})

test('a client that knows the description alone upscales a picture, at once and as a job', async () => {
  const described = operations().find(
    ({ operation }) => operation.requestBody && Object.keys(operation.responses['200']?.content ?? {}).includes('image/webp'),
  )!
  const answer = await send(described, { scale: 1.5, format: 'webp' })
  assert.equal(answer.status, 200)
  for (const [name, { schema }] of Object.entries(described.operation.responses['200']!.headers!)) {
    const value = answer.headers.get(name)!
    assert.ok(value.length > 0, name)
    if (schema.type === 'integer') assert.match(value, /^\d+$/, name)
  }
  const bytes = Buffer.from(await answer.arrayBuffer())
  const { format, width, height } = await sharp(bytes).metadata()
  assert.deepEqual({ format, width, height }, { format: 'webp', width: 30, height: 15 })

  const job = operations().find(({ operation }) => operation.requestBody && operation.responses['202'])!
  const accepted = await send(job, { longest: 30, format: 'webp' })
  const known = (await accepted.json()) as Record<string, unknown>
  const links = Object.values(job.operation.responses['202']!.links!)
  const follow = (summary: RegExp, init?: RequestInit) => {
    const { path, method } = operations().find(
      ({ operation }) => summary.test(operation.summary) && links.some(link => link.operationId === operation.operationId),
    )!
    const id = links[0]!.parameters.id!.replace('$response.body#/', '')
    return get(path.replace('{id}', String(known[id])), { method, ...init })
  }
  // The stream of events ends when the job has.
  const events = await (await follow(/^How/, { headers: { Accept: 'text/event-stream' } })).text()
  assert.match(events, /"state":"done"[^\n]*\n\n$/)
  const result = await follow(/^A job's result/)
  assert.deepEqual(Buffer.from(await result.arrayBuffer()), bytes)
  assert.equal((await follow(/^Cancel/)).status, 204)
})

/** Builds a request from an operation: the form's one binary field, and options that its schema has. */
function send({ path, method, operation }: Described, options: Record<string, unknown>): Promise<Response> {
  const schema = operation.requestBody!.content['multipart/form-data']!.schema as { properties: Record<string, Schema>; required: string[] }
  const body = new FormData()
  for (const name of schema.required) {
    assert.equal(schema.properties[name]!.format, 'binary')
    body.append(name, new Blob([new Uint8Array(png)]), 'low.png')
  }
  for (const [name, value] of Object.entries(options)) {
    const { type, minimum = value, maximum = value, enum: choices = [value] } = schema.properties[name]!
    assert.equal(typeof value, type === 'integer' ? 'number' : type)
    assert.ok(
      (value as number) >= (minimum as number) && (value as number) <= (maximum as number) && (choices as unknown[]).includes(value),
    )
    body.append(name, String(value))
  }
  return get(path, { method, body })
}

test('keys are described where they are asked for, and not for probes', async () => {
  assert.deepEqual(api.security, [])
  const key = makeKey('alice')
  const guarded = await startServer(engine, {}, { keys: readKeys(key.line)! })
  try {
    assert.equal((await fetch(`${guarded.url}/openapi.json`)).status, 401)
    const theirs = (await (await fetch(`${guarded.url}/openapi.json`, { headers: { Authorization: `Bearer ${key.key}` } })).json()) as Api
    assert.deepEqual(theirs.security, [{ bearer: [] }, { apiKey: [] }])
    for (const [path, item] of Object.entries(theirs.paths)) {
      for (const { security, responses, parameters = [] } of Object.values(item)) {
        const url = path.replace(/\{\w+\}/g, name => String(parameters.find(p => `{${p.name}}` === name)!.example ?? 'x'))
        const answer = await fetch(guarded.url + url, { method: item.get ? 'GET' : 'POST' })
        assert.equal(answer.status === 401, security === undefined, path)
        assert.equal(codesOf(responses['401'] ?? { description: '' }).includes('unauthorized'), true, path)
      }
    }
  } finally {
    await guarded.close()
  }
})

test('the readable page shows all of it, without a script or a style that its policy would stop', async () => {
  const answer = await get('/docs')
  const html = await answer.text()
  assert.match(answer.headers.get('content-type')!, /^text\/html/)
  assert.match(answer.headers.get('content-security-policy')!, /style-src 'self'/)
  assert.doesNotMatch(html, /<script|<style|style=|\son\w+=|https?:\/\/(?!127\.0\.0\.1)/)
  const files = [...html.matchAll(/<link [^>]*href="([^"]+)"/g)].map(([, href]) => href!)
  assert.deepEqual(files, ['/docs/style.css'])
  const style = await get(files[0]!)
  assert.match(style.headers.get('content-type')!, /^text\/css/)
  assert.match(await style.text(), /prefers-color-scheme: dark/)
  for (const { path, operation } of operations()) {
    assert.ok(html.includes(`<article id="${operation.operationId}">`) && html.includes(`>${path}<`), path)
    assert.ok(html.includes(`<a href="#${operation.operationId}">`))
  }
  for (const name of [...Object.keys(OPTIONS), 'key-reused', 'UPREZ_JOB_TTL_MS', 'UPREZ_MAX_INPUT_PIXELS']) {
    assert.ok(html.includes(`<code>${name}</code>`), name)
  }
  assert.ok(html.includes(`<pre>curl -F img=@low.png -F scale=2 ${server.url}/upscale -o high.png</pre>`))
})
