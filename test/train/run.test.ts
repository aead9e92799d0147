import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockRun } from '../../train/lock.js'
import { temporaryFolder, uprez, writePhotos } from '../support/training.js'

const home = await temporaryFolder()
const photos = await writePhotos(join(home, 'photos'), 3, 40)
const set = ['data.patch=8', 'data.batch=2', 'data.validation=0', 'every.checkpoint=1000000']
const tiny = ['train', '--preset', 'tiny', '--data', photos, '--engine', 'wasm', ...set.flatMap(option => ['--set', option])]

test('a run stops in good order when its time is up, with an exit code of its own, and goes on with --resume', async () => {
  const output = join(home, 'limited')
  const limited = await uprez([...tiny, '-o', output, '--steps', '1000000', '--time-limit', '2s'])
  assert.equal(limited.code, 3, limited.stderr)
  const [, at] = limited.stderr.match(/the time is up: stopped after step (\d+); the same command with --resume goes on/)!
  assert.deepEqual(await readdir(join(output, 'checkpoint')), [`step-${at!.padStart(8, '0')}.safetensors`])
  assert.equal((await readdir(output)).includes('.lock'), false)

  const release = await lockRun(output)
  const steps = String(Number(at) + 2)
  const refused = await uprez([...tiny, '-o', output, '--resume', '--steps', steps])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, new RegExp(`output-exists: process ${process.pid} is training in .*limited`))
  await release()

  const resumed = await uprez([...tiny, '-o', output, '--resume', '--steps', steps, '--time-limit', '1h'])
  assert.equal(resumed.code, 0, resumed.stderr)
  assert.match(resumed.stderr, new RegExp(`schedule.steps changes from 1000000 to ${steps}`))
  assert.match(resumed.stderr, new RegExp(`going on after step ${at}`))
})

test('a start that fails gives the folder back, and leaves no run in it', async () => {
  const output = join(home, 'failed')
  const { code, stderr } = await uprez([...tiny, '-o', output, '--from', 'no-such-model'])
  assert.equal(code, 1)
  assert.match(stderr, /unknown-model/)
  assert.deepEqual(await readdir(output), [])
})
