import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openRun, saveConfig } from '../../train/run-folder.js'
import { temporaryFolder } from '../support/training.js'

const home = await temporaryFolder()
const options = { engine: 'wasm', 'schedule.steps': 20 }
const silent = () => {}

async function begunRun(name: string): Promise<string> {
  const folder = join(home, name)
  const { config, release } = await openRun(folder, 'tiny', options, false, silent)
  await saveConfig(folder, config)
  await release()
  await mkdir(join(folder, 'checkpoint'))
  await writeFile(join(folder, 'checkpoint/step-00000001.safetensors'), '')
  return folder
}

test('a run needs a folder of its own: neither a begun run nor foreign files are written over', async () => {
  const run = await begunRun('begun')
  await assert.rejects(openRun(run, 'tiny', options, false, silent), { code: 'output-exists', message: /--resume/ })
  const foreign = join(home, 'foreign')
  await mkdir(join(foreign, 'generator'), { recursive: true })
  await assert.rejects(openRun(foreign, 'tiny', options, false, silent), { code: 'output-exists', message: /not empty \(generator\)/ })
  await writeFile(join(home, 'file'), '')
  for (const place of ['file', 'file/run'])
    await assert.rejects(openRun(join(home, place), 'tiny', options, false, silent), { code: 'not-writable' })
})

test('resuming keeps what the run was begun with, and says what changes', async () => {
  const folder = await begunRun('kept')
  const said: string[] = []
  const changes = {
    'every.log': 5,
    'optimizer.learningRate': 1e-4,
    keep: 4,
    'best.metric': 'NIQE',
    'data.pairs': [{ low: 'a', high: 'b' }],
  }
  const { config, resume } = await openRun(folder, 'tiny', changes, true, line => said.push(line))
  assert.equal(resume, true)
  assert.deepEqual([config.schedule.steps, config.engine, config.every.log], [20, 'wasm', 5])
  assert.deepEqual(said.sort(), [
    'best.metric changes from "PSNR-Y" to "NIQE"',
    'data.pairs changes from [] to [{"low":"a","high":"b"}]',
    'every.log changes from 10 to 5',
    'keep changes from 2 to 4',
    'optimizer.learningRate changes from 0.01 to 0.0001',
  ])
})

test('modules of the user and files of weights may have moved since the run was begun; what they count for may not change', async () => {
  const folder = join(home, 'moved')
  const at = (place: string) => ({
    network: { kind: 'module', path: `${place}/net.mjs` },
    'losses.module.path': `${place}/loss.mjs`,
    'losses.feature.file': `${place}/vgg19.pth`,
  })
  const { config, release } = await openRun(folder, 'tiny', { ...options, ...at('/a') }, false, silent)
  await saveConfig(folder, config)
  await release()
  const opened = await openRun(folder, 'tiny', at('/b'), true, silent)
  await opened.release()
  const { network, losses } = opened.config
  assert.deepEqual([network, losses.module?.path, losses.feature.file], [at('/b').network, '/b/loss.mjs', '/b/vgg19.pth'])

  const other = { ...at('/b'), 'losses.module.weight': 2 }
  await assert.rejects(openRun(folder, 'tiny', other, true, silent), { code: 'run-mismatch', param: 'losses.module.weight' })
  const ours = await begunRun('ours')
  await assert.rejects(openRun(ours, 'tiny', at('/b'), true, silent), { code: 'run-mismatch', param: 'network.kind' })
})

test('a run is not resumed with another preset, network or kind of sample', async () => {
  const folder = await begunRun('other')
  const cases = [
    ['fast-x4', {}, 'preset'],
    ['tiny', { 'network.blocks': 3 }, 'network.blocks'],
    ['tiny', { seed: 5 }, 'seed'],
    ['tiny', { 'data.patch': 24 }, 'data.patch'],
    ['tiny', { 'losses.pixel.weight': 2 }, 'losses.pixel.weight'],
    ['tiny', { from: 'fast-x4' }, 'from'],
  ] as const
  for (const [preset, overrides, param] of cases) {
    await assert.rejects(openRun(folder, preset, overrides, true, silent), {
      code: 'run-mismatch',
      param,
      message: /was begun with .*--from .*other/,
    })
  }
})

test('resuming where no run was begun is not-a-run; a run killed before its first checkpoint begins anew', async () => {
  for (const name of ['nowhere', 'foreign'])
    await assert.rejects(openRun(join(home, name), 'tiny', {}, true, silent), { code: 'not-a-run' })
  const damaged = join(home, 'damaged')
  await mkdir(damaged)
  await writeFile(join(damaged, 'config.json'), '{"preset":"tiny","shape":3}')
  await assert.rejects(openRun(damaged, 'tiny', {}, true, silent), { code: 'not-a-run', message: /unknown option shape/ })

  const early = join(home, 'early')
  const { config, release } = await openRun(early, 'tiny', options, false, silent)
  await saveConfig(early, config)
  await release()
  await mkdir(join(early, 'checkpoint'))
  await writeFile(join(early, 'checkpoint/.step-00000001.safetensors.7.tmp'), 'half')
  for (const half of ['.generator.new-12345678', '.best.new-12345678']) await mkdir(join(early, half))
  const said: string[] = []
  const opened = await openRun(early, 'tiny', {}, true, line => said.push(line))
  assert.equal(opened.resume, false)
  assert.match(said.join(), /no checkpoint yet: beginning at step 1/)
  await opened.release()
  assert.deepEqual((await readdir(early)).sort(), ['checkpoint', 'config.json'])
})

test('a run killed while its best generator was being replaced goes on with the one before', async () => {
  const folder = await begunRun('between')
  for (const half of ['.best.new-12345678', '.best.old-12345678']) {
    await mkdir(join(folder, half))
    await writeFile(join(folder, half, 'origin'), half)
  }
  await (await openRun(folder, 'tiny', {}, true, silent)).release()
  assert.deepEqual((await readdir(folder)).sort(), ['best', 'checkpoint', 'config.json'])
  assert.equal(await readFile(join(folder, 'best/origin'), 'utf8'), '.best.old-12345678')
})

test('while one trains in it, nobody else opens the run, and a run that is refused is left free', async () => {
  const fresh = join(home, 'held')
  const { config, release } = await openRun(fresh, 'tiny', options, false, silent)
  await assert.rejects(openRun(fresh, 'tiny', options, false, silent), { code: 'output-exists', message: /is training in/ })
  await saveConfig(fresh, config)
  await assert.rejects(openRun(fresh, 'tiny', {}, true, silent), { code: 'output-exists', message: /is training in/ })
  await release()
  await assert.rejects(openRun(fresh, 'tiny', { seed: 9 }, true, silent), { code: 'run-mismatch' })
  await (await openRun(fresh, 'tiny', {}, true, silent)).release()
})
