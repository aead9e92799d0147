import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { raw } from '../infer/pictures.js'
import { drawPhoto } from '../support/draw.js'
import { writeModel } from '../support/model.js'

const uprez = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
let home: string

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'uprez-batch-precision-'))
  await writeModel(home, { id: 'small', kind: 'network', precisions: ['int8'] })
  await raw(drawPhoto(30, 20)).toFile(join(home, 'in.png'))
})
after(() => rm(home, { recursive: true }))

/** @returns the exit code and how many pictures were made */
function run(...args: string[]): Promise<{ code: number; made: number; err: string }> {
  const all = ['-m', home, '-n', 'small', '-i', join(home, 'in.png'), '-o', join(home, 'out'), '--json', ...args]
  return new Promise(resolve => {
    const child = execFile(process.execPath, [uprez, ...all], { env: { ...process.env, UPREZ_THREADS: '1' } }, (_, out, err) =>
      resolve({ code: child.exitCode!, made: out === '' ? 0 : (JSON.parse(out) as { made: unknown[] }).made.length, err }),
    )
  })
}

test('a picture is made anew in another precision, and only then', async () => {
  assert.deepEqual((await run()).made, 1)
  assert.deepEqual((await run('--precision', 'fp32')).made, 0)
  assert.deepEqual((await run('--precision', 'int8')).made, 1)
  const { mtimeMs } = await stat(join(home, 'out', 'in.png'))
  assert.deepEqual((await run('--precision', 'int8')).made, 0)
  assert.equal((await stat(join(home, 'out', 'in.png'))).mtimeMs, mtimeMs)
})

test('a precision that the model does not have is told before any work', async () => {
  const { code, made, err } = await run('--precision', 'fp16')
  assert.deepEqual([code !== 0, made], [true, 0])
  assert.match(err, /one of fp32, int8.*small.*precision/)
})
