import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type * as TF from '@tensorflow/tfjs'
import { convolutionFlops } from '../../bench/flops.js'
import { BATCH, NETWORKS, PATCH, residualGenerator, SCALE } from '../../bench/train-peer.js'
import { useEngine } from '../../nets/engine.js'

const program = fileURLToPath(new URL('../../../bench/peers/train.py', import.meta.url))
const python = process.env.UPREZ_BENCH_PYTHON ?? 'python3'
const hasTorch = spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0

for (const [name, parameters] of [
  ['32x5', 107_248],
  ['64x16', 1_211_184],
] as const) {
  const { channels, blocks } = NETWORKS[name]

  test(`the network ${name} has ${parameters} parameters`, async () => {
    const generator = residualGenerator(await useEngine('wasm'), name)
    assert.equal(generator.countParams(), parameters)
    assert.deepEqual(generator.outputs[0]!.shape, [null, null, null, 3])
  })

  test(`PyTorch's network ${name} has as many`, { skip: hasTorch ? false : 'no Python with torch (UPREZ_BENCH_PYTHON)' }, () => {
    const { stdout, stderr } = spawnSync(
      python,
      ['-B', '-c', `import train; print(train.parameters(train.Generator(${channels}, ${blocks})))`],
      {
        cwd: dirname(program),
        encoding: 'utf8',
      },
    )
    assert.equal(Number(stdout), parameters, stderr)
  })
}

test('both programs name the same scale, batch and patch', async () => {
  const line = /^SCALE, BATCH, PATCH = (.*)$/m.exec(await readFile(program, 'utf8'))!
  assert.deepEqual(line[1]!.split(', ').map(Number), [SCALE, BATCH, PATCH])
})

test('the operations of a step are those of the convolutions and their two gradients', async () => {
  const tf = await useEngine('wasm')
  const variable = tf.variable(tf.randomNormal([3, 3, 2, 5]))
  const x = tf.variable(tf.randomNormal([2, 7, 6, 2]))
  const flops = await convolutionFlops(tf, async () => {
    const { value, grads } = tf.variableGrads(() => tf.conv2d(x as TF.Tensor4D, variable as TF.Tensor4D, 1, 'same').sum(), [x, variable])
    tf.dispose([value, ...Object.values(grads)])
  })
  assert.equal(flops, 3 * 2 * (2 * 7 * 6 * 5) * (3 * 3 * 2))
})
