import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeKey } from '../../serve/keys.js'
import { drawPhoto } from '../support/draw.js'
import { run, start } from './program.js'
import { encode, form, formHead, partHead, problemOf, shippedModels, upscaled, wire } from './support.js'

/** The whole program: `uprez serve` as a process. */

const png = await encode(drawPhoto(8, 8))
test('serves, logs one line per request, and ends with 0 on SIGTERM after what is in flight', async () => {
  const { child, exit, says, out, url, port } = await start()
  await says(/is ready: .*fast-x4 ×4.*; 1 thread\n/)
  assert.equal((await fetch(`${url}/readyz`)).status, 200)
  await upscaled(`${url}/upscale`, { body: form(png) })
  await problemOf(await fetch(`${url}/upscale?scale=x`, { method: 'POST', body: form(png) }))

  const { write, saw, rest } = await wire(port)
  const end = '\r\n--B--\r\n'
  write(formHead(`Content-Length: ${partHead().length + png.length + end.length}\r\nExpect: 100-continue\r\n`))
  await saw('100 Continue')
  write(partHead())
  child.kill('SIGTERM')
  await says(/finishing what is in flight/)
  await assert.rejects(fetch(`${url}/healthz`))
  write(png)
  write(end)
  assert.match(await rest(), /HTTP\/1\.1 200 OK\r\n[\s\S]*IEND/)
  assert.deepEqual(await exit, [0, null])

  const lines = out()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    lines.map(({ method, path, status, code }) => ({ method, path, status, code })),
    [
      { method: 'GET', path: '/readyz', status: 200, code: undefined },
      { method: 'POST', path: '/upscale', status: 200, code: undefined },
      { method: 'POST', path: '/upscale', status: 400, code: 'invalid-option' },
      { method: 'POST', path: '/upscale', status: 200, code: undefined },
    ],
  )
  assert.equal(lines[1].bytesIn, png.length)
})

test('what is not finished in time is told so, and the server ends all the same', async () => {
  const { child, exit, says, port } = await start([], { UPREZ_SHUTDOWN_GRACE_MS: '0', UPREZ_LOG: 'silent' })
  const large = await encode(drawPhoto(1200, 900))
  const end = '\r\n--B--\r\n'
  const { write, saw } = await wire(port)
  write(formHead(`Content-Length: ${partHead().length + large.length + end.length}\r\nExpect: 100-continue\r\n`))
  await saw('100 Continue')
  write(partHead())
  write(large)
  write(end)
  // Another connection's answer shows that the server has come round to reading since.
  await fetch(`http://127.0.0.1:${port}/readyz`)
  child.kill('SIGINT')
  await says(/finishing what is in flight/)
  assert.match(await saw('"busy"'), /HTTP\/1\.1 503 /)
  assert.deepEqual(await exit, [0, null])
})

test('a second signal ends it at once', async () => {
  const { child, exit, says, port } = await start()
  const { write, saw } = await wire(port)
  write(formHead('Content-Length: 5000\r\nExpect: 100-continue\r\n'))
  await saw('100 Continue')
  child.kill('SIGINT')
  await says(/finishing what is in flight/)
  // Signals that come together count as one press, so this one is repeated until it counts.
  const again = setInterval(() => child.kill('SIGINT'), 50)
  assert.deepEqual(await exit, [130, null])
  clearInterval(again)
})

test('a port that is taken, an address that is not ours, a wrong variable and an unknown model are said plainly', async () => {
  const first = await start()
  const taken = run(['--port', String(first.port), '-m', shippedModels])
  await taken.says(/invalid-option: .*port \d+ on 127\.0\.0\.1 is in use by another program/)
  assert.equal((await taken.exit)[0], 1)
  first.child.kill('SIGTERM')
  assert.deepEqual(await first.exit, [0, null])

  const cases: [args: string[], env: Record<string, string>, said: RegExp][] = [
    [['--public', '--host', '192.0.2.1'], {}, /invalid-option: .*192\.0\.2\.1 is not an address of this machine/],
    [[], { PORT: '99999' }, /invalid-option: .*0 to 65535 for PORT but received 99999/],
    [[], { UPREZ_MAX_IN_FLIGHT: 'lots' }, /invalid-option: .*UPREZ_MAX_IN_FLIGHT but received lots/],
    [[], { UPREZ_LOG: 'loud' }, /invalid-option: .*silent, error, info for UPREZ_LOG but received loud/],
    [['-n', 'fasst-x4'], {}, /unknown-model: .*Did you mean fast-x4\?/],
  ]
  await Promise.all(
    cases.map(async ([args, env, said]) => {
      const server = run(['-m', shippedModels, ...args], env)
      await server.says(said)
      assert.equal((await server.exit)[0], 1)
    }),
  )
})

test('an address that others can reach asks for keys, or for the word that none are wanted', async () => {
  const refused = run(['-m', shippedModels], { HOST: '0.0.0.0' })
  await refused.says(/invalid-option: Host 0\.0\.0\.0 lets other machines in.*"uprez key NAME".*--public/)
  assert.equal((await refused.exit)[0], 1)

  const everybody = await start(['--public'], { HOST: '0.0.0.0' })
  await everybody.says(/everybody who reaches it can use it, over an unencrypted connection \(no TLS\)/)
  await everybody.says(/a client may have \d+ pictures at once and \d+ a minute \(UPREZ_CLIENT_IN_FLIGHT, UPREZ_RATE_LIMIT\)/)
  everybody.child.kill('SIGTERM')
  assert.deepEqual(await everybody.exit, [0, null])

  const { key, line } = makeKey('alice')
  const guarded = await start([], { HOST: '0.0.0.0', UPREZ_API_KEYS: line })
  assert.equal((await problemOf(await fetch(`${guarded.url}/upscale`, { method: 'POST', body: form(png) }))).code, 'unauthorized')
  await upscaled(`${guarded.url}/upscale`, { body: form(png), headers: { 'X-API-Key': key } })
  guarded.child.kill('SIGTERM')
  assert.deepEqual(await guarded.exit, [0, null])
  assert.ok(!guarded.out().includes(key))
  assert.match(guarded.out(), /"client":"alice"/)
})
