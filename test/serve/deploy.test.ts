import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { LIMITS } from '../../infer/limits.js'
import { SERVER_LIMITS } from '../../serve/limits.js'

/** What the files in deploy/ say twice, or say of the server's own figures. */

const shipped = (name: string) => readFile(new URL(`../../../deploy/${name}`, import.meta.url), 'utf8')

function figure(text: string, pattern: RegExp): number {
  const [, value] = pattern.exec(text) ?? assert.fail(`no ${pattern}`)
  return Number(value)
}

test('jobs leave room in the /tmp of their container, and that room in its memory', async () => {
  const text = await shipped('compose.yaml')
  const temporary = figure(text, /\/tmp:size=(\d+)g\b/) * 2 ** 30
  const memory = figure(text, /mem_limit: (\d+)g\b/) * 2 ** 30
  assert.ok(figure(text, /UPREZ_JOBS_MAX_BYTES: (\d+)/) <= temporary / 2)
  assert.ok(memory - temporary >= 4 * 2 ** 30)
})

test('nginx waits for an answer longer than any picture may take, and takes uploads as large as the server', async () => {
  const text = await shipped('nginx.conf')
  const { requestDeadlineMs, deadlinePerMegapixelMs, maxUploadBytes } = SERVER_LIMITS
  // With test-time augmentation every pixel is computed eight times.
  const longest = requestDeadlineMs.fallback + (8 * LIMITS.maxOutputPixels.fallback * deadlinePerMegapixelMs.fallback) / 1e6
  assert.ok(figure(text, /proxy_read_timeout (\d+)h;/) * 3_600_000 > longest)
  assert.equal(figure(text, /client_max_body_size (\d+)m;/) * 2 ** 20, maxUploadBytes.fallback)
})

test('keys that deploy/ is given are neither committed nor built into the image', async () => {
  const compose = await shipped('compose.yaml')
  const secret = [...compose.matchAll(/['\s]\.\/(keys|[\w.]+\.key)\b/g)].map(([, name]) => `deploy/${name}`)
  assert.deepEqual(secret.sort(), ['deploy/keys', 'deploy/prometheus.key'])
  for (const ignoring of [await shipped('../.gitignore'), await shipped('Dockerfile.dockerignore')]) {
    for (const path of secret) assert.ok(ignoring.split('\n').includes(path), path)
  }
})
