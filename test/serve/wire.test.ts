import assert from 'node:assert/strict'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { type Engine, type Job, type JobResult, startEngine } from '../../infer/engine.js'
import { drawPhoto } from '../support/draw.js'
import { encode, form, formHead, heldEngine, partHead, startServer, type TestServer, upscaled, wire } from './support.js'

/** What only shows on a bare connection. */

let engine: Engine
let server: TestServer
let png: Buffer

before(async () => {
  engine = await startEngine({ threads: 1 })
  server = await startServer(engine, { maxUploadBytes: 100_000 })
  png = await encode(drawPhoto(8, 8))
})
after(async () => {
  await server?.close()
  await engine?.close()
})

test('an upload announced as too large is refused before a byte of it is sent', async () => {
  const { write, saw } = await wire(server.port)
  write(formHead('Content-Length: 99999999999\r\n'))
  const answer = await saw('"upload-too-large"')
  assert.match(answer, /^HTTP\/1\.1 413 /)
})

test('who asks first (Expect: 100-continue) is told no without having been told to go on', async () => {
  const { write, saw } = await wire(server.port)
  write(formHead('Content-Length: 100001\r\nExpect: 100-continue\r\n'))
  assert.match(await saw('"upload-too-large"'), /^HTTP\/1\.1 413 /)
})

test('who asks first and may go on is told so, and served', async () => {
  const { write, saw } = await wire(server.port)
  const body = Buffer.concat([Buffer.from(partHead()), png, Buffer.from('\r\n--B--\r\n')])
  write(formHead(`Content-Length: ${body.length}\r\nExpect: 100-continue\r\n`))
  assert.equal(await saw('100 Continue\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  write(body)
  assert.match(await saw('IEND'), /\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
})

test('an endless chunked body is cut off at the limit and the connection is closed', async () => {
  const { socket, write, saw, rest } = await wire(server.port)
  write(formHead('Transfer-Encoding: chunked\r\n'))
  const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
  write(chunk(partHead()))
  const filler = chunk('x'.repeat(10_000))
  const pour = () => {
    while (!socket.destroyed && socket.write(filler));
  }
  socket.on('drain', pour)
  pour()
  assert.match(await saw('"upload-too-large"'), /^HTTP\/1\.1 413 /)
  await rest()
  await upscaled(`${server.url}/upscale`, { body: form(png) })
})

test('a client that goes away in mid-upload, and one that sends less than it said, leave their place to the next', async () => {
  for (const leave of [(socket: Socket) => socket.destroy(), (socket: Socket) => socket.end()]) {
    const narrow = await startServer(engine, { maxInFlight: 1 })
    const post = () => fetch(`${narrow.url}/upscale`, { method: 'POST', body: form(png) })
    try {
      const { socket, write, saw } = await wire(narrow.port)
      write(formHead('Content-Length: 5000\r\nExpect: 100-continue\r\n'))
      await saw('100 Continue')
      write(partHead())
      assert.equal((await post()).status, 503)
      leave(socket)
      // When the server hears of it is not ours to say.
      let answer = await post()
      while (answer.status === 503) answer = await post()
      assert.equal(answer.status, 200)
    } finally {
      await narrow.close()
    }
  }
})

test('a server that was held up hangs up on nobody whose refused body has arrived meanwhile', async () => {
  const { write, saw } = await wire(server.port)
  const body = Buffer.alloc(50_000)
  write(`POST /upscale?sclae=2 HTTP/1.1\r\nHost: test\r\nContent-Type: image/png\r\nContent-Length: ${body.length}\r\n\r\n`)
  await saw('"unknown-option"')
  write(body)
  write('GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n')
  // Longer than a refused body has time.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
  await saw('"status":"ok"')
})

test('a body that ends short of its Content-Length is told so', async () => {
  const { socket, write, rest } = await wire(server.port)
  write(formHead('Content-Length: 5000\r\n') + partHead())
  socket.end()
  assert.match(await rest(), /^HTTP\/1\.1 400 .*"bad-request"/s)
})

test('a body that is longer than its Content-Length breaks the form, and the rest is no request', async () => {
  const { write, rest } = await wire(server.port)
  const body = `${partHead()}abc\r\n--B--\r\n`
  write(formHead('Content-Length: 60\r\n') + body)
  assert.match(await rest(), /^HTTP\/1\.1 400 /)
  await upscaled(`${server.url}/upscale`, { body: form(png) })
})

test('a Content-Length beside chunks, and one that is no number, are no requests', async () => {
  for (const headers of ['Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 'Content-Length: many\r\n', 'Content-Length: -1\r\n']) {
    const { write, rest } = await wire(server.port)
    write(formHead(headers))
    assert.match(await rest(), /^HTTP\/1\.1 400 .*application\/problem\+json.*"bad-request"/s)
  }
})

test('a request without a Host, and one that expects what we do not know, are told so', async () => {
  for (const [head, param] of [
    ['POST /upscale HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n', 'Host'],
    [formHead('Content-Length: 0\r\nConnection: close\r\nExpect: a miracle\r\n'), 'Expect'],
  ] as const) {
    const { write, rest } = await wire(server.port)
    write(head)
    assert.match(await rest(), new RegExp(`^HTTP/1\\.1 400 .*application/problem\\+json.*"bad-request".*"param":"${param}"`, 's'))
  }
})

test('noise instead of HTTP is told so', async () => {
  const { write, rest } = await wire(server.port)
  write('\x16\x03\x01 this is not HTTP\r\n\r\n')
  assert.match(await rest(), /^HTTP\/1\.1 400 Bad Request\r\n.*"code":"bad-request"/s)
})

test('what is no request is told so even where more of it comes before the client listens', async () => {
  const turn = async () => void (await fetch(`${server.url}/healthz`))
  for (const head of ['POST /upscale HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n', 'no request at all\r\n\r\n']) {
    const { socket, write, rest } = await wire(server.port)
    socket.pause()
    write(head)
    // By then the server has answered, and by then it has seen what it gets for that.
    for (let i = 0; i < 3; i++) await turn()
    write(Buffer.alloc(1_000_000))
    for (let i = 0; i < 3; i++) await turn()
    socket.resume()
    assert.match(await rest(), /^HTTP\/1\.1 400 Bad Request\r\n.*"code":"bad-request"/s)
  }
})

test('a part header that never ends is a broken form', async () => {
  const { write, saw } = await wire(server.port)
  const body = `--B\r\nContent-Disposition: form-data; name="img"; filename="${'x'.repeat(50_000)}"\r\n\r\nabc\r\n--B--\r\n`
  write(formHead(`Content-Length: ${body.length}\r\n`) + body)
  assert.match(await saw('"broken-multipart"'), /^HTTP\/1\.1 400 /)
})

test('who does not take his result loses the connection, and his place', async () => {
  const held = heldEngine()
  // Only the first result is too large for the sockets' buffers.
  const upscale = async (job: Job) => ({ ...(await finished(held, job)), bytes: Buffer.alloc(held.jobs.length === 1 ? 64 << 20 : 1) })
  const impatient = await startServer({ ...held, upscale }, { maxInFlight: 1, sendTimeoutMs: 100 })
  try {
    const { socket, write } = await wire(impatient.port)
    socket.pause()
    const end = '\r\n--B--\r\n'
    write(formHead(`Content-Length: ${partHead().length + png.length + end.length}\r\n`) + partHead())
    write(png)
    write(end)
    await held.begun(1)
    const second = async () => (await fetch(`${impatient.url}/upscale`, { method: 'POST', body: form(png) })).arrayBuffer()
    while (held.jobs.length < 2) await second()
  } finally {
    await impatient.close()
  }
})

test('who asks for a file and does not take it loses the connection; who waits for a picture on his does not', {
  timeout: 60_000,
}, async () => {
  const held = heldEngine()
  const folder = await mkdtemp(join(tmpdir(), 'uprez-'))
  await writeFile(join(folder, 'index.html'), '')
  // Too large for the sockets' buffers.
  await truncate(join(folder, 'index.html'), 64 << 20)
  const lines = new Set<(line: string) => void>()
  const sink = new Writable({
    write(chunk, _encoding, done) {
      for (const hear of lines) hear(String(chunk))
      done()
    },
  })
  const impatient = await startServer(held, { sendTimeoutMs: 100 }, { pageFolder: folder, log: pino(sink) })
  try {
    const waiting = await wire(impatient.port)
    const end = '\r\n--B--\r\n'
    waiting.write('GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n')
    waiting.write(formHead(`Content-Length: ${partHead().length + png.length + end.length}\r\n`) + partHead())
    waiting.write(png)
    waiting.write(end)
    await held.begun(1)

    const gone = new Promise<void>(resolve => lines.add(line => line.includes('"path":"/"') && line.includes('"status":499') && resolve()))
    const { socket, write } = await wire(impatient.port)
    socket.pause()
    write('GET / HTTP/1.1\r\nHost: test\r\n\r\n')
    await gone
    held.jobs[0]!.finish()
    await waiting.saw('a picture')
  } finally {
    await impatient.close()
    await rm(folder, { recursive: true })
  }
})

test('headers that come too slowly, and a body that does, are answered 408 and hung up on', async () => {
  const slow = await startServer(engine, { headersTimeoutMs: 100, requestTimeoutMs: 200 })
  try {
    for (const begun of ['POST /upscale HTTP/1.1\r\nHost: te', formHead('Content-Length: 5000\r\n') + partHead()]) {
      const { write, rest } = await wire(slow.port)
      write(begun)
      assert.match(await rest(), /^HTTP\/1\.1 408 Request Timeout\r\n.*"code":"request-timeout"/s)
    }
  } finally {
    await slow.close()
  }
})

async function finished(held: ReturnType<typeof heldEngine>, job: Job): Promise<JobResult> {
  const result = held.upscale(job)
  held.jobs.at(-1)!.finish()
  return result
}
