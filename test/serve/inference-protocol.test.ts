import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { makeKey, readKeys } from '../../serve/keys.js'
import { heldEngine, problemOf, startServer, type TestServer } from './support.js'

let server: TestServer

before(async () => {
  server = await startServer(heldEngine())
})
after(() => server?.close())

const get = (path: string) => fetch(server.url + path)
const read = async (path: string) => (await get(path)).json()

test('server, health and readiness are told as the protocol has them', async () => {
  const { name, version, extensions } = (await read('/v2')) as { name: string; version: string; extensions: string[] }
  assert.equal(name, 'uprez')
  assert.match(version, /^\d+\.\d+\.\d+/)
  assert.deepEqual(extensions, [])
  assert.deepEqual(await read('/v2/health/live'), { live: true })
  assert.deepEqual(await read('/v2/health/ready'), { ready: true })
  for (const change of [{ ready: false }, { closing: true }]) {
    const before = { ...server.state }
    Object.assign(server.state, change)
    const answer = await get('/v2/health/ready')
    assert.equal(answer.status, 503)
    assert.deepEqual(await answer.json(), { ready: false })
    Object.assign(server.state, before)
  }
})

test("a model's inputs and outputs are those of its card", async () => {
  assert.deepEqual(await read('/v2/models/fast-x4'), {
    name: 'fast-x4',
    platform: 'onnxruntime_onnx',
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, 3, -1, -1] }],
    outputs: [{ name: 'output', datatype: 'FP32', shape: [-1, 3, -1, -1] }],
  })
  assert.deepEqual(await read('/v2/models/fast-x4/ready'), { name: 'fast-x4', ready: true })
})

test('a model of one fixed size says so', async () => {
  const model = server.shelf.standard
  const card = { ...model.card, id: 'small', fixedSize: { width: 32, height: 16 } }
  const { input, output } = card.model
  card.model = { ...card.model, input: { ...input, layout: 'NHWC', type: 'uint8' }, output: { ...output, type: 'float16', channels: 1 } }
  server.shelf.replace([model, { ...model, card }])
  const { inputs, outputs } = (await read('/v2/models/small')) as Record<string, unknown>
  assert.deepEqual(inputs, [{ name: 'input', datatype: 'UINT8', shape: [-1, 16, 32, 3] }])
  assert.deepEqual(outputs, [{ name: 'output', datatype: 'FP16', shape: [-1, 1, 64, 128] }])
})

test('errors are problems', async () => {
  for (const path of ['/v2/models/nothing', '/v2/models/nothing/ready']) {
    const problem = await problemOf(await get(path))
    assert.deepEqual([problem.status, problem.code], [404, 'unknown-model'])
  }
  const wrong = await fetch(`${server.url}/v2/models/fast-x4`, { method: 'POST' })
  assert.equal(wrong.headers.get('allow'), 'GET, HEAD')
  assert.equal((await problemOf(wrong)).code, 'method-not-allowed')
  assert.equal((await problemOf(await get('/v2/models/fast-x4/infer'))).code, 'not-found')
})

test('probes need no key, metadata does', async () => {
  const guarded = await startServer(heldEngine(), {}, { keys: readKeys(makeKey('alice').line)! })
  try {
    for (const path of ['/v2/health/live', '/v2/health/ready']) assert.equal((await fetch(guarded.url + path)).status, 200)
    for (const path of ['/v2', '/v2/models/fast-x4', '/docs']) assert.equal((await fetch(guarded.url + path)).status, 401)
  } finally {
    await guarded.close()
  }
})
