import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { UprezError } from '../../errors.js'
import { drawPhoto } from '../support/draw.js'
import { encode, form, formHead, heldEngine, partHead, problemOf, startServer, wire } from './support.js'

/** A server whose engine measures every result as 5000 × 5000. */
async function startLarge() {
  const held = heldEngine()
  const engine = { ...held, measure: async () => ({ input: { format: 'png', width: 1, height: 1 }, width: 5000, height: 5000, work: 16 }) }
  const server = await startServer(engine)
  const ask = async (signal: AbortSignal | null = null) =>
    fetch(`${server.url}/upscale`, { method: 'POST', body: form(await encode(drawPhoto(8, 8))), signal })
  return { server, held, ask }
}

/** Until the server has removed it. */
async function gone(path: string): Promise<void> {
  while (existsSync(path)) await new Promise(setImmediate)
}

test('a large result is written by the engine, read from its file, and gone when it is sent', async () => {
  const { server, held, ask } = await startLarge()
  try {
    const answer = ask()
    await held.begun(1)
    const { output } = held.jobs[0]!.job
    assert.ok(output !== undefined && existsSync(dirname(output)))
    const text = 'row after row '.repeat(100_000)
    held.jobs[0]!.finish(text)
    const { status, headers, body } = await answer
    assert.deepEqual([status, headers.get('content-length'), headers.get('content-type')], [200, String(text.length), 'image/png'])
    assert.equal(await new Response(body).text(), text)
    await gone(dirname(output))
  } finally {
    await server.close()
  }
})

test('a client that leaves while a large result is sent leaves no file', async () => {
  const { server, held, ask } = await startLarge()
  try {
    const leaving = new AbortController()
    const answer = ask(leaving.signal)
    await held.begun(1)
    held.jobs[0]!.finish('row after row '.repeat(2_000_000))
    const { body } = await answer
    await body!.getReader().read()
    leaving.abort()
    await gone(dirname(held.jobs[0]!.job.output!))
  } finally {
    await server.close()
  }
})

test('what fails, and what nobody waits for any more, leaves no file', async () => {
  const { server, held, ask } = await startLarge()
  try {
    for (const [code, status] of [
      ['no-space', 507],
      ['not-writable', 500],
    ] as const) {
      const answer = ask()
      await held.begun(held.jobs.length + 1)
      const { job, fail } = held.jobs.at(-1)!
      fail(new UprezError(code, `${job.output}: cannot be written`))
      const problem = await problemOf(await answer)
      assert.equal(problem.status, status)
      assert.ok(!JSON.stringify(problem).includes(dirname(job.output!)))
      await gone(dirname(job.output!))
    }
    const leaving = new AbortController()
    const answer = ask(leaving.signal).catch((error: Error) => error.name)
    await held.begun(held.jobs.length + 1)
    const { job, aborted } = held.jobs.at(-1)!
    leaving.abort()
    assert.equal(await answer, 'AbortError')
    await aborted
    await gone(dirname(job.output!))
  } finally {
    await server.close()
  }
})

/** A picture with so much behind it that nobody wants to hold it twice. */
async function longUpload(): Promise<Buffer> {
  return Buffer.concat([await encode(drawPhoto(8, 8)), Buffer.alloc(9_000_000, 7)])
}

test('a large upload lies in a file while the engine works, and is gone when the answer is over', async () => {
  const engine = heldEngine()
  const server = await startServer(engine)
  try {
    const upload = await longUpload()
    const raw = { body: upload, headers: { 'Content-Type': 'image/png' } }
    const chunked = () => ({ ...raw, body: new Blob([upload]).stream(), duplex: 'half' as const })
    for (const init of [() => ({ body: form(upload) }), () => raw, chunked]) {
      for (const end of ['finish', 'fail'] as const) {
        const answer = fetch(`${server.url}/upscale`, { method: 'POST', ...init() })
        await engine.begun(engine.jobs.length + 1)
        const { job, finish, fail } = engine.jobs.at(-1)!
        assert.ok('path' in job.input)
        assert.ok(upload.equals(await readFile(job.input.path)))
        if (end === 'finish') finish('larger')
        else fail(new UprezError('broken-image', 'It is damaged'))
        assert.equal((await answer).status, end === 'finish' ? 200 : 422)
        await gone(dirname(job.input.path))
      }
    }
  } finally {
    await server.close()
  }
})

test('a small upload goes to the engine as it is', async () => {
  const engine = heldEngine()
  const server = await startServer(engine)
  try {
    const answer = fetch(`${server.url}/upscale`, { method: 'POST', body: form(await encode(drawPhoto(8, 8))) })
    await engine.begun(1)
    assert.ok('bytes' in engine.jobs[0]!.job.input)
    engine.jobs[0]!.finish()
    assert.equal((await answer).status, 200)
  } finally {
    await server.close()
  }
})

test('a large upload becomes a job without being held again, and its key finds it again', async () => {
  const engine = heldEngine()
  const server = await startServer(engine)
  try {
    const upload = await longUpload()
    const post = async (bytes: Buffer) =>
      fetch(`${server.url}/jobs`, { method: 'POST', body: form(bytes), headers: { 'Idempotency-Key': 'once' } })
    const first = await post(upload)
    assert.equal(first.status, 202)
    await engine.begun(1)
    const { input } = engine.jobs[0]!.job
    assert.ok('path' in input && upload.equals(await readFile(input.path)))
    assert.equal((await post(upload)).headers.get('location'), first.headers.get('location'))
    assert.equal((await problemOf(await post(Buffer.concat([upload, Buffer.of(0)])))).code, 'key-reused')
    // The job's own folder; those of the three requests are gone.
    await settled(dirname(dirname(input.path)), 1)
  } finally {
    await server.close()
  }
})

test('two large pictures are two too many, and a client that leaves in the middle of one leaves nothing', async () => {
  const engine = heldEngine()
  const server = await startServer(engine)
  try {
    const root = dirname(dirname(server.jobs.folder.inputOf('any')))
    const two = form(await longUpload())
    two.append('image', new Blob([await longUpload()]), 'second.png')
    assert.equal((await problemOf(await fetch(`${server.url}/upscale`, { method: 'POST', body: two }))).code, 'several-images')
    await settled(root, 0)

    const { socket, write } = await wire(server.port)
    write(formHead('Content-Length: 30000000\r\n') + partHead())
    socket.write(await longUpload())
    await settled(root, 1)
    socket.destroy()
    await settled(root, 0)
    assert.equal(engine.jobs.length, 0)
  } finally {
    await server.close()
  }
})

test('where the disk takes no more, a large upload is told so, and small ones are served', async () => {
  const engine = heldEngine()
  const server = await startServer(engine)
  try {
    Object.assign(server.jobs.folder, {
      make: async () => {
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      },
    })
    const post = async (bytes: Buffer) => fetch(`${server.url}/upscale`, { method: 'POST', body: form(bytes) })
    assert.equal((await problemOf(await post(await longUpload()))).code, 'no-space')
    const answer = post(await encode(drawPhoto(8, 8)))
    await engine.begun(1)
    engine.jobs[0]!.finish()
    assert.equal((await answer).status, 200)
  } finally {
    await server.close()
  }
})

/** Until so many folders are in this one. */
async function settled(root: string, folders: number): Promise<void> {
  while ((await readdir(root)).length !== folders) await new Promise(setImmediate)
}
