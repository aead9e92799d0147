import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hostileCorpus, sample } from '../soak/corpus/corpus.js'
import { checkMemory, feed } from '../soak/hostile.js'
import { startServer as startProcess } from '../soak/server.js'
import { startTally } from '../soak/tally.js'
import { drawPhoto } from '../support/draw.js'
import { encode, form, formHead, heldEngine, partHead, startServer, wire } from './support.js'

const SEED = 6

test('hostile uploads get the right answer in bounded memory while good ones are served', { timeout: 120_000 }, async () => {
  const corpus = await hostileCorpus(SEED)
  const all = Object.values(corpus).flat()
  assert.ok(all.length >= 200, `${all.length} files`)
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length, 'every name tells one file')

  const folder = await mkdtemp(join(tmpdir(), 'uprez-hostile-'))
  const tally = startTally('hostile')
  const server = await startProcess(folder, tally, { UPREZ_THREADS: '1' })
  const bomb = all.find(({ name }) => name === 'PNG bomb: 196 MP of one colour, 24 bits')!
  await feed(server, [bomb, ...sample(corpus, 40, SEED)], SEED, tally)
  checkMemory(server, tally)
  await server.end()
  assert.deepEqual(tally.broken, [])
  assert.ok(tally.counts.get('200, the right picture')! > 0)
  await rm(folder, { recursive: true })
})

test('headers beyond all measure are refused', async () => {
  const server = await startServer(heldEngine())
  try {
    for (const headers of [`X-Long: ${'x'.repeat(20_000)}\r\n`, `${'x'.repeat(20_000)}: 1\r\n`, 'X-Many: 1\r\n'.repeat(3000)]) {
      const { write, rest } = await wire(server.port)
      write(formHead(headers))
      assert.match(await rest(), /^HTTP\/1\.1 431 .*application\/problem\+json.*"headers-too-large"/s)
    }
  } finally {
    await server.close()
  }
})

test('a crowd that begins and never ends keeps nobody out, and is hung up on', async () => {
  const engine = heldEngine()
  const server = await startServer(engine, { headersTimeoutMs: 1000, requestTimeoutMs: 2000 })
  try {
    const begun = [
      'POST /upscale HTTP/1.1\r\nHost: te',
      formHead('Content-Length: 50\r\n'),
      formHead('Content-Length: 500\r\n') + partHead(),
    ]
    const crowd = await Promise.all(Array.from({ length: 60 }, () => wire(server.port)))
    for (const [i, { write }] of crowd.entries()) write(begun[i % begun.length]!)
    const answer = fetch(`${server.url}/upscale`, { method: 'POST', body: form(await encode(drawPhoto(8, 8))) })
    await engine.begun(1)
    engine.jobs[0]!.finish()
    assert.equal((await answer).status, 200)
    for (const { rest } of crowd) assert.match(await rest(), /^HTTP\/1\.1 408 .*"request-timeout"/s)
  } finally {
    await server.close()
  }
})
