import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { UprezError } from '../../errors.js'
import { drawPhoto } from '../support/draw.js'
import { encode, form, heldEngine, problemOf, startServer } from './support.js'

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

test('a large upload lies in a file while the engine works, and is gone when the answer comes', async () => {
  const engine = heldEngine()
  const server = await startServer(engine)
  try {
    const upload = await longUpload()
    for (const end of ['finish', 'fail'] as const) {
      const answer = fetch(`${server.url}/upscale`, { method: 'POST', body: form(upload) })
      await engine.begun(engine.jobs.length + 1)
      const { job, finish, fail } = engine.jobs.at(-1)!
      assert.ok('path' in job.input)
      assert.deepEqual(await readFile(job.input.path), upload)
      if (end === 'finish') finish('larger')
      else fail(new UprezError('broken-image', 'It is damaged'))
      assert.equal((await answer).status, end === 'finish' ? 200 : 422)
      await gone(dirname(job.input.path))
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

test('where the disk takes no more, a large upload stays in memory', async () => {
  const engine = heldEngine()
  const server = await startServer(engine)
  try {
    const { folder } = server.jobs
    const full: typeof folder.store = async () => {
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    }
    Object.assign(folder, { store: full })
    const upload = await longUpload()
    const answer = fetch(`${server.url}/upscale`, { method: 'POST', body: form(upload) })
    await engine.begun(1)
    const { job, finish } = engine.jobs[0]!
    assert.ok('bytes' in job.input && upload.equals(job.input.bytes))
    finish()
    assert.equal((await answer).status, 200)
  } finally {
    await server.close()
  }
})
