import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execute } from '../../execute.js'
import { useEngine } from '../../nets/engine.js'
import { setupWebgpu, webgpuFolder } from '../../nets/webgpu.js'
import { type EngineFigures, engineFigures } from '../support/engine-figures.js'
import { unpackSwiftshader } from '../support/swiftshader.js'
import { needsWebgpu } from '../support/webgpu.js'

const child = fileURLToPath(new URL('../support/engine-child.js', import.meta.url))
const engine = new URL('../../nets/engine.js', import.meta.url).href
const folder = await mkdtemp(join(tmpdir(), 'uprez-webgpu-'))
after(() => rm(folder, { recursive: true }))

let driver: Record<string, string>
let webgpu: EngineFigures
let wasm: EngineFigures
before(async () => {
  if (needsWebgpu.skip) return
  driver = await unpackSwiftshader(folder)
  const { code, output, stdout } = await execute(process.execPath, [child, 'webgpu'], { ...process.env, ...driver })
  assert.equal(code, 0, output)
  webgpu = JSON.parse(stdout) as EngineFigures
  wasm = await engineFigures(await useEngine('wasm'))
})

test('results and gradients on webgpu are those of wasm', needsWebgpu, () => {
  assert.deepEqual(Object.keys(webgpu.tensors), Object.keys(wasm.tensors))
  for (const [name, expected] of Object.entries(wasm.tensors)) {
    const values = webgpu.tensors[name]!
    assert.equal(values.length, expected.length, name)
    const worst = Math.max(...values.map((value, i) => Math.abs(value - expected[i]!)))
    assert.ok(worst < 1e-4, `${name}: ${worst} apart`)
  }
})

test('training on webgpu lowers the loss as training on wasm does, and leaves no tensor behind', needsWebgpu, () => {
  const { losses, leaked } = webgpu
  assert.ok(losses.at(-1)! < 0.8 * losses[0]!, `the losses are ${losses}`)
  for (const [i, loss] of losses.entries())
    assert.ok(Math.abs(loss - wasm.losses[i]!) < 1e-3, `step ${i + 1}: ${loss}, ${wasm.losses[i]} on wasm`)
  assert.deepEqual(leaked, wasm.leaked)
  assert.ok(
    leaked.every(count => count === 0),
    `left behind: ${leaked}`,
  )
})

test('an adapter that computes on the CPU is told as such, and not chosen by itself', needsWebgpu, async () => {
  const cache = join(folder, 'cache')
  await mkdir(cache)
  await symlink(webgpuFolder(), join(cache, basename(webgpuFolder())))
  const program = `import { defaultEngine, deviceOf, useEngine } from ${JSON.stringify(engine)}
    console.log(await defaultEngine(), await deviceOf(await useEngine('webgpu')))
    process.exit()`
  const env = { ...process.env, ...driver, UPREZ_CACHE: cache }
  const { stdout, output } = await execute(process.execPath, ['--input-type=module', '-e', program], env)
  assert.match(stdout, /^wasm google: SwiftShader.* \(software\)\n$/, output)
})

test('setting WebGPU up a second time fetches nothing', needsWebgpu, async () => {
  const said: string[] = []
  assert.equal(await setupWebgpu(line => said.push(line)), 'ready')
  assert.ok(
    said.every(line => !line.includes('downloading')),
    said.join('\n'),
  )
})
