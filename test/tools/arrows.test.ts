import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('../../../tools/arrows.mjs', import.meta.url))

/** Runs the check over a tree of these files. */
async function check(files: Record<string, string>) {
  const root = await mkdtemp(join(tmpdir(), 'uprez-arrows-'))
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), text)
  }
  const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' })
  return { status, faults: stderr.trimEnd().split('\n').slice(0, -1) }
}

test('imports along the arrows, of packages and of errors.ts pass', async () => {
  const { status, faults } = await check({
    'errors.ts': '',
    'image/image.ts': "import { z } from 'zod'",
    'runtime/a.ts': "import '../image/image.js'\nimport '../errors.js'\nimport fs from 'node:fs'",
    'bin/uprez.ts': "import '../serve/command.js'\nimport './errors.js'",
    'bin/errors.ts': '',
    'serve/command.ts': "const later = () => import('./app.js')",
    'serve/app.ts': "import type { Image } from '../infer/engine.js'",
    'infer/engine.ts': '',
  })
  assert.deepEqual(faults, [])
  assert.equal(status, 0)
})

for (const [kind, text] of Object.entries({
  'a static import': "\nimport { a } from '../train/loop.js'",
  'a type import': "\nimport type { A } from '../train/loop.js'",
  'an inline type': "\nlet a: import('../train/loop.js').A",
  'a dynamic import': "\nconst a = await import('../train/loop.js')",
  'a re-export': "\nexport * from '../train/loop.js'",
  'a child process': "\nfork(new URL('../train/loop.js', import.meta.url))",
})) {
  test(`${kind} against the arrows is reported with file and line`, async () => {
    const { status, faults } = await check({ 'serve/app.ts': text, 'train/loop.ts': '' })
    assert.equal(status, 1)
    assert.equal(faults.length, 1)
    assert.match(faults[0]!, /^serve\/app\.ts:2: serve\/ may not know train\/loop\.ts/)
  })
}

test('a room without arrows is reported', async () => {
  const { faults } = await check({ 'attic/a.ts': '' })
  assert.match(faults[0]!, /attic\/ has no arrows/)
})

test('bin may know nothing of a room but its command', async () => {
  const { faults } = await check({ 'bin/uprez.ts': "import '../serve/app.js'", 'serve/app.ts': '' })
  assert.match(faults[0]!, /bin\/ joins commands/)
})

test('TensorFlow.js behind a chain of static imports is reported, behind a lazy one it is not', async () => {
  const files = {
    'bin/uprez.ts': "import '../train/command.js'",
    'train/command.ts': "export const run = () => import('./loop.js')",
    'train/loop.ts': "import '../nets/engine.js'",
    'nets/engine.ts': "import * as tf from '@tensorflow/tfjs'",
  }
  assert.deepEqual((await check(files)).faults, [])
  const { faults } = await check({ ...files, 'train/command.ts': "import './loop.js'" })
  assert.deepEqual(faults, [
    'bin/uprez.ts: loads TensorFlow.js: bin/uprez.ts → train/command.ts → train/loop.ts → nets/engine.ts → @tensorflow/tfjs',
  ])
})
