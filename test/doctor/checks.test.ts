import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Check } from '../../doctor/checks.js'

const uprez = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
const run = promisify(execFile)

async function doctor(environment: Record<string, string>): Promise<{ checks: Map<string, Check>; code: number }> {
  const env = { ...process.env, ...environment }
  const { stdout, code } = await run(process.execPath, [uprez, 'doctor', '--json'], { env }).then(
    ({ stdout }) => ({ stdout, code: 0 }),
    (error: { stdout: string; code: number }) => error,
  )
  return { checks: new Map((JSON.parse(stdout) as Check[]).map(check => [check.name, check])), code }
}

test('doctor really upscales with every model, and says how to get the engine that is missing', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'uprez-doctor-'))
  try {
    const { checks, code } = await doctor({ UPREZ_CACHE: cache })
    assert.equal(code, 0)
    assert.match(checks.get('upscaling (CPU)')!.detail, /fast-x4: 32×24 → 128×96 on cpu/)
    assert.equal(checks.get('training on wasm')!.state, 'works')
    const cuda = checks.get('upscaling on CUDA')!
    assert.equal(cuda.state, 'missing')
    assert.match(`${cuda.detail}; ${cuda.fix}`, /^not installed; npm run setup -- cuda$|^not made for/)
    assert.ok(checks.get('upscaling on WebGPU'))
    assert.match(checks.get('upscaling (auto)')!.detail, /^computes on (cpu|webgpu)/)
    const native = checks.get('training on native TensorFlow')!
    assert.equal(native.state, 'missing')
    assert.match(native.fix!, /setup -- tensorflow|only made for Linux/)
    const webgpu = checks.get('training on WebGPU')!
    assert.equal(webgpu.state, 'missing')
    assert.match(webgpu.fix!, /setup -- webgpu/)
  } finally {
    await rm(cache, { recursive: true })
  }
})

test('doctor fails where the provider that was named does not work, and says why', async () => {
  const { checks, code } = await doctor({ UPREZ_PROVIDER: process.platform === 'win32' ? 'coreml' : 'dml' })
  assert.equal(code, 1)
  const [, named] = [...checks].find(([name]) => /^upscaling \((dml|coreml)\)$/.test(name))!
  assert.equal(named.state, 'broken')
  assert.match(named.detail, /UPREZ_PROVIDER .*not made for/)
})

test('doctor fails where upscaling does not work, and says why', async () => {
  const { checks, code } = await doctor({ UPREZ_THREADS: 'many' })
  assert.equal(code, 1)
  assert.equal(checks.get('upscaling (CPU)')!.state, 'broken')
  assert.match(checks.get('upscaling (CPU)')!.detail, /UPREZ_THREADS|threads/)
  assert.equal(checks.get('upscaling (CPU)')!.fix, undefined)
})
