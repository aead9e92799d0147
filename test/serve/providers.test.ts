import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heldEngine, startServer } from './support.js'

test('readiness and metrics say what is computed with, and why not with the rest', async () => {
  const reports = [
    { provider: 'cuda', works: false, reason: 'libcuda.so.1 is missing', fix: "install NVIDIA's driver" },
    { provider: 'webgpu', works: true, milliseconds: 3.5 },
  ] as const
  const choice = { execution: { provider: 'webgpu' as const, devices: [0] }, reports: [...reports] }
  const server = await startServer(heldEngine(), {}, { choice })
  try {
    const ready = await (await fetch(`${server.url}/readyz`)).json()
    assert.deepEqual(ready, { status: 'ready', provider: 'webgpu', providers: reports })
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    assert.match(metrics, /^uprez_provider_works\{provider="cuda"\} 0$/m)
    assert.match(metrics, /^uprez_provider_works\{provider="webgpu"\} 1$/m)
  } finally {
    await server.close()
  }
})
