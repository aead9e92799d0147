import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startPeer } from '../../bench/peer.js'
import type { TrainReady } from '../../bench/train-child.js'
import { BATCH, BLOCKS, CHANNELS, PATCH, residualGenerator, SCALE } from '../../bench/train-peer.js'
import { useEngine } from '../../nets/engine.js'

const program = fileURLToPath(new URL('../../../bench/peers/train.py', import.meta.url))
const python = process.env.UPREZ_BENCH_PYTHON ?? 'python3'
const hasTorch = spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0

test('the network has the 107,248 parameters of 32 channels × 5 residual blocks', async () => {
  const generator = residualGenerator(await useEngine('cpu'))
  assert.equal(generator.countParams(), 107_248)
  assert.deepEqual(generator.outputs[0]!.shape, [null, null, null, 3])
})

test('both programs name the same channels, blocks, scale, batch and patch', async () => {
  const line = /^CHANNELS, BLOCKS, SCALE, BATCH, PATCH = (.*)$/m.exec(await readFile(program, 'utf8'))!
  assert.deepEqual(line[1]!.split(', ').map(Number), [CHANNELS, BLOCKS, SCALE, BATCH, PATCH])
})

test("PyTorch's network has as many parameters", { skip: hasTorch ? false : 'no Python with torch (UPREZ_BENCH_PYTHON)' }, async () => {
  const torch = await startPeer<TrainReady>(python, [program, '1'])
  await torch.close()
  assert.equal(torch.ready.parameters, 107_248)
})
