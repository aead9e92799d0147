import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
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
