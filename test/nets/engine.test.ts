import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { defaultEngine, useEngine } from '../../nets/engine.js'
import { generatorFacts } from '../../nets/generator.js'
import { nativeAddon, nativeFolder, probeNative, setupNative } from '../../nets/native.js'
import { resolveConfig } from '../../train/config.js'

const folder = await mkdtemp(join(tmpdir(), 'uprez-engine-'))
const path = process.env.PATH
after(() => rm(folder, { recursive: true }))
beforeEach(async () => {
  process.env.PATH = path
  process.env.UPREZ_CACHE = await mkdtemp(join(folder, 'cache-'))
})

test('without the native engine, wasm is the default, and asking for the native one says how to get it', async () => {
  assert.equal(nativeAddon(), undefined)
  assert.equal(defaultEngine(), 'wasm')
  await assert.rejects(useEngine('tensorflow'), { code: 'engine-unavailable', message: /npm run setup -- tensorflow/ })
  assert.match((await probeNative())!, /not set up/)
})

test('a damaged native engine is refused with the reason', async () => {
  await mkdir(nativeFolder(), { recursive: true })
  await writeFile(join(nativeFolder(), 'tfjs_binding.node'), 'not a library')
  assert.equal(defaultEngine(), 'tensorflow')
  await assert.rejects(useEngine('tensorflow'), { code: 'engine-unavailable', message: /cannot be loaded: .*; make it again/ })
  assert.match((await probeNative())!, /cannot be loaded/)
})

test('setting up without its tools names the missing one and leaves nothing behind', { skip: process.platform !== 'linux' }, async () => {
  process.env.PATH = folder
  await assert.rejects(
    setupNative(() => {}),
    { code: 'engine-unavailable', message: /python3 was not found; apt install/ },
  )
  assert.equal(nativeAddon(), undefined)
})

test('the network of the fast-x4 preset keeps its bounds', () => {
  const { network, scale } = resolveConfig('fast-x4', {})
  const facts = generatorFacts(network, scale)
  assert.ok(facts.parameters <= 120_000, `${facts.parameters} parameters`)
  assert.equal(facts.receptiveField, 13)
  assert.equal(facts.sizeMultiple, 1)
})
