import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { readMetrics, temporaryFolder, uprez, writePhotos } from '../support/training.js'

const home = await temporaryFolder()
const photos = await writePhotos(join(home, 'photos'), 4, 40)
const set = ['data.patch=8', 'data.batch=4', 'data.validation=1', 'every.log=5', 'every.validate=10', 'every.checkpoint=15']
const tiny = [
  'train',
  '--preset',
  'tiny',
  '--data',
  photos,
  '--engine',
  'wasm',
  '--steps',
  '60',
  ...set.flatMap(option => ['--set', option]),
]

test('Ctrl-C, then --resume, and kill -9, then --resume, end where the uninterrupted run ends, bit for bit', async () => {
  const [straight, stopped, killed] = ['straight', 'stopped', 'killed'].map(name => join(home, name)) as [string, string, string]
  const whole = await uprez([...tiny, '-o', straight])
  assert.equal(whole.code, 0, whole.stderr)
  assert.match(whole.stderr, /step 60\/60 .* steps\/s .* left/)
  assert.match(whole.stderr, /done: 60 steps; next: uprez export/)

  let sent = false
  const interrupted = await uprez([...tiny, '-o', stopped], (stderr, send) => {
    if (!sent && stderr.includes('step 10: validation')) send('SIGINT')
    sent ||= stderr.includes('step 10: validation')
  })
  assert.equal(interrupted.code, 130, interrupted.stderr)
  const [, at] = interrupted.stderr.match(/stopped after step (\d+); the same command with --resume goes on/)!
  assert.ok(Number(at) >= 10 && Number(at) < 60)
  const resumed = await uprez([...tiny, '-o', stopped, '--resume'])
  assert.equal(resumed.code, 0, resumed.stderr)
  assert.match(resumed.stderr, new RegExp(`going on after step ${at}`))

  const dead = await uprez([...tiny, '-o', killed], (stderr, send) => {
    if (stderr.includes('step 20: validation')) send('SIGKILL')
  })
  assert.equal(dead.signal, 'SIGKILL')
  // What was not given stays as the run was begun.
  const revived = await uprez(['train', '-o', killed, '--resume'])
  assert.equal(revived.code, 0, revived.stderr)

  for (const run of [stopped, killed]) {
    for (const file of ['checkpoint/step-00000060.safetensors', 'generator/weights.bin', 'samples/step-00000060.png', 'config.json']) {
      assert.deepEqual(await readFile(join(run, file)), await readFile(join(straight, file)), `${run} ${file}`)
    }
    assert.deepEqual(await readMetrics(run), await readMetrics(straight))
  }
  assert.equal((await readdir(stopped)).filter(name => name.startsWith('events.')).length, 2)
})

test('what is wrong with the options is said in one line, with exit code 2, before anything is made', async () => {
  const output = join(home, 'never')
  const cases: [string[], RegExp][] = [
    [['--steps', 'abc'], /invalid-option: schedule\.steps: .* NaN/],
    [['--seed', '-1'], /invalid-option: seed/],
    [['--engine', 'cuda'], /invalid-option: engine: .*"tensorflow"\|"webgpu"\|"wasm"\|"cpu"/],
    [['--set', 'schedule.step=5'], /unknown-option: unknown option schedule\.step; did you mean schedule\.steps\?/],
    [['--time-limit', 'soon'], /invalid-option: --time-limit takes a length of time, not soon/],
    [['--preset', 'tyni'], /invalid-option: unknown preset tyni; did you mean tiny\?/],
  ]
  await Promise.all(
    cases.map(async ([args, message]) => {
      const { code, stderr } = await uprez([...tiny, '-o', output, ...args])
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
      assert.equal(stderr.trim().split('\n').length, 1, stderr)
    }),
  )
  const bare = await uprez(['train', '--preset', 'tiny', '-o', output])
  assert.match(bare.stderr, /--data names the images/)
  assert.equal((await readdir(home)).includes('never'), false)
})

test('a failed start leaves no run behind that would be in the way of the next try', async () => {
  const output = join(home, 'mistyped')
  const args = ['train', '--preset', 'tiny', '--engine', 'wasm', '-o', output, '--steps', '1']
  const { code, stderr } = await uprez([...args, '--data', join(home, 'fotos')])
  assert.equal(code, 1)
  assert.match(stderr, /no-input: the data folder .*fotos cannot be read/)
  assert.equal((await uprez([...args, '--data', photos])).code, 0)
})

test('--print-config prints every option with its value', async () => {
  const { code, stdout } = await uprez(['train', '--preset', 'fast-x4', '--print-config'])
  assert.equal(code, 0)
  assert.equal(JSON.parse(stdout).schedule.warmup, 500)
})

test('--print-config of a run that goes on prints what it was begun with and what is given now', async () => {
  const run = join(home, 'begun')
  const begun = await uprez(['train', '--preset', 'tiny', '--set', 'data={"patch":8}', '--set', 'data={"batch":4}', '--print-config'])
  await mkdir(run)
  await writeFile(join(run, 'config.json'), begun.stdout)
  const resumed = await uprez(['train', '--resume', '-o', run, '--steps', '7', '--print-config'])
  const { schedule, data } = JSON.parse(resumed.stdout)
  assert.deepEqual([data.patch, data.batch, schedule.steps], [8, 4, 7])
})
