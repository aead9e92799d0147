import assert from 'node:assert/strict'
import { test } from 'node:test'
import { floats, type Graph, node } from '../../../export/graph.js'
import { serialize } from '../../../export/onnx.js'
import { LIMITS, psnrLoss, refuseLossy } from '../../../export/precision/gate.js'
import { toUint8Nhwc } from '../../../export/uint8.js'
import type { Image } from '../../../image/image.js'
import { luma } from '../../../image/luma.js'
import { resize } from '../../../image/resize.js'
import { openSession } from '../../../probe/session.js'
import { drawPhoto } from '../../support/draw.js'
import { nearestGraph } from '../../support/model.js'

const pairs = [1, 2].map(seed => {
  const high = drawPhoto(48, 40, seed)
  return { high, low: resize(high, { width: 24, height: 20, kernel: 'bicubic' }) }
})

/** Every pixel twice, and so many steps of 255 lighter. */
const lighter = (steps: number): Graph => {
  const plain = nearestGraph(2)
  const nodes = plain.nodes.map(n => ({ ...n, outputs: n.outputs.map(name => (name === 'output' ? 'plain' : name)) }))
  return {
    ...plain,
    nodes: [...nodes, node('Add', ['plain', 'light'], ['output'])],
    initializers: new Map([['light', floats([], [steps / 255])]]),
  }
}

async function lossOf(steps: number): Promise<number> {
  const [full, variant] = await Promise.all([lighter(0), lighter(steps)].map(graph => openSession(serialize(toUint8Nhwc(graph)))))
  const loss = await psnrLoss(full!, variant!, pairs, 2)
  await Promise.all([full!.close(), variant!.close()])
  return loss
}

/** Mean square of luma's difference, without the two pixels at each border. */
function meanSquare(a: Image, b: Image): number {
  const [ya, yb] = [luma(a), luma(b)]
  let [sum, count] = [0, 0]
  for (let y = 2; y < a.height - 2; y++) {
    for (let x = 2; x < a.width - 2; x++, count++) sum += (ya.data[y * a.width + x]! - yb.data[y * a.width + x]!) ** 2
  }
  return sum / count
}

test('what is the same loses nothing', async () => {
  assert.equal(await lossOf(0), 0)
})

test('the loss is that of an error which knows nothing of the network: squares add up', async () => {
  const shift = (image: Image, steps: number): Image => ({ ...image, data: image.data.map(v => Math.min(255, v + steps)) })
  let expected = 0
  for (const { high, low } of pairs) {
    const large: Image = { ...high, data: new Uint8Array(high.data.length) }
    for (let p = 0; p < 48 * 40; p++) {
      const from = ((p / 48) >> 1) * 24 + ((p % 48) >> 1)
      large.data.set(low.data.subarray(from * 3, from * 3 + 3), p * 3)
    }
    expected += 5 * Math.log10(1 + meanSquare(large, shift(large, 9)) / meanSquare(high, large))
  }
  assert.ok(expected > 0.3)
  assert.ok(Math.abs((await lossOf(9)) - expected) < 1e-9)
})

test('a variant is refused over its limit, and where no number came out', () => {
  for (const [precision, limit] of Object.entries(LIMITS) as [keyof typeof LIMITS, number][]) {
    refuseLossy(precision, limit)
    refuseLossy(precision, 0)
    for (const loss of [limit + 1e-9, Number.NaN, Infinity]) {
      assert.throws(() => refuseLossy(precision, loss), { code: 'variant-refused', param: precision, expected: `at most ${limit} dB` })
    }
  }
  assert.throws(() => refuseLossy('int8', 0.412), { message: /int8 variant loses 0\.41 dB, more than 0\.3: .*--calibrate/ })
})
