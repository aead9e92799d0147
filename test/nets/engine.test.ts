import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { defaultEngine, useEngine } from '../../nets/engine.js'
import { nativeAddon, nativeFolder, setupNative } from '../../nets/native.js'
import { tryEngine } from '../../nets/try-engine.js'
import { dawnAddon, webgpuFolder } from '../../nets/webgpu.js'

const folder = await mkdtemp(join(tmpdir(), 'uprez-engine-'))
const path = process.env.PATH
after(() => rm(folder, { recursive: true }))
beforeEach(async () => {
  process.env.PATH = path
  process.env.UPREZ_CACHE = await mkdtemp(join(folder, 'cache-'))
})

test('with nothing set up, wasm is the default, and asking for another engine says how to get it', async () => {
  assert.deepEqual([nativeAddon(), dawnAddon()], [undefined, undefined])
  assert.equal(await defaultEngine(), 'wasm')
  for (const engine of ['tensorflow', 'webgpu'] as const) {
    const how = new RegExp(`npm run setup -- ${engine}`)
    await assert.rejects(useEngine(engine), { code: 'engine-unavailable', message: how })
    const { trouble, device } = await tryEngine(engine)
    assert.match(trouble!, how)
    assert.equal(device, 'none')
  }
})

test('a trial says what computed', async () => {
  assert.deepEqual(await tryEngine('cpu'), { trouble: undefined, device: 'CPU' })
})

test('a damaged native engine is refused with the reason', async () => {
  await mkdir(nativeFolder(), { recursive: true })
  await writeFile(join(nativeFolder(), 'tfjs_binding.node'), 'not a library')
  assert.equal(await defaultEngine(), 'tensorflow')
  await assert.rejects(useEngine('tensorflow'), { code: 'engine-unavailable', message: /cannot be loaded: .*; make it again/ })
  assert.match((await tryEngine('tensorflow')).trouble!, /cannot be loaded/)
})

test('a damaged WebGPU is refused with the reason', async () => {
  await mkdir(webgpuFolder(), { recursive: true })
  await writeFile(join(webgpuFolder(), 'dawn.node'), 'not a library')
  const refusal = { code: 'engine-unavailable', message: /cannot be loaded: .*; remove .* again/ }
  await assert.rejects(defaultEngine(), refusal)
  await assert.rejects(useEngine('webgpu'), refusal)
})

test("CUDA's engine comes before the CPU's", async () => {
  for (const variant of ['cpu', 'cuda'] as const) {
    await mkdir(nativeFolder(variant), { recursive: true })
    await writeFile(join(nativeFolder(variant), 'tfjs_binding.node'), '')
    assert.equal(nativeAddon(), join(nativeFolder(variant), 'tfjs_binding.node'))
  }
})

test('setting up without its tools names the missing one and leaves nothing behind', { skip: process.platform !== 'linux' }, async () => {
  process.env.PATH = folder
  await assert.rejects(
    setupNative(() => {}),
    { code: 'engine-unavailable', message: /python3 was not found; apt install/ },
  )
  assert.equal(nativeAddon(), undefined)
})
