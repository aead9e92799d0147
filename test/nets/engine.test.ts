import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { defaultEngine, useEngine } from '../../nets/engine.js'
import { type NativeVariant, nativeAddon, nativeFolder, setupNative } from '../../nets/native.js'
import { tryEngine } from '../../nets/try-engine.js'
import { dawnAddon, webgpuFolder } from '../../nets/webgpu.js'
import { needsNative } from '../support/native.js'

const folder = await mkdtemp(join(tmpdir(), 'uprez-engine-'))
const path = process.env.PATH
const working = nativeAddon()
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

for (const [variant, again] of [
  ['cpu', 'npm run setup -- tensorflow'],
  ['cuda', 'npm run setup -- tensorflow --cuda'],
] as const) {
  test(`a damaged native engine (${variant}) is refused with the reason, and how to mend that one`, async () => {
    await plant(variant, 'not a library')
    assert.equal(await defaultEngine(), 'tensorflow')
    const message = new RegExp(`cannot be loaded: .*; make it again with \`${again}\``)
    await assert.rejects(useEngine('tensorflow'), { code: 'engine-unavailable', message })
    assert.match((await tryEngine('tensorflow')).trouble!, message)
  })
}

test('a damaged WebGPU is refused with the reason', async () => {
  await mkdir(webgpuFolder(), { recursive: true })
  await writeFile(join(webgpuFolder(), 'dawn.node'), 'not a library')
  const refusal = { code: 'engine-unavailable', message: /cannot be loaded: .*; remove .* again/ }
  await assert.rejects(defaultEngine(), refusal)
  await assert.rejects(useEngine('webgpu'), refusal)
})

test("CUDA's engine comes before the CPU's", async () => {
  for (const variant of ['cpu', 'cuda'] as const) {
    await plant(variant, '')
    assert.equal(nativeAddon(), join(nativeFolder(variant), 'tfjs_binding.node'))
  }
})

test("the CPU's engine that works is ready, though CUDA's is damaged", needsNative, async () => {
  await plant('cuda', 'not a library')
  await symlink(dirname(working!), nativeFolder('cpu'))
  assert.equal(await setupNative(line => assert.fail(line)), 'ready')
})

test("the CPU's engine that is damaged is made again, though CUDA's works", needsNative, async () => {
  await plant('cpu', 'not a library')
  await symlink(dirname(working!), nativeFolder('cuda'))
  process.env.PATH = folder
  const said: string[] = []
  await assert.rejects(
    setupNative(line => said.push(line)),
    { message: /python3 was not found/ },
  )
  assert.match(said.join(), /does not answer; making it again/)
})

test('setting up without its tools names the missing one and leaves nothing behind', { skip: process.platform !== 'linux' }, async () => {
  process.env.PATH = folder
  await assert.rejects(
    setupNative(() => {}),
    { code: 'engine-unavailable', message: /python3 was not found; apt install/ },
  )
  assert.equal(nativeAddon(), undefined)
})

async function plant(variant: NativeVariant, addon: string): Promise<void> {
  await mkdir(nativeFolder(variant), { recursive: true })
  await writeFile(join(nativeFolder(variant), 'tfjs_binding.node'), addon)
}
