import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Graph, node, scalar } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { toUint8Nhwc } from '../../export/uint8.js'
import { compareBytes } from '../../export/variant.js'
import { findModel, readGraph } from '../../models/catalog.js'
import { toPlanes } from '../../probe/halo.js'
import { openSession } from '../../probe/session.js'
import { drawNoise, drawPhoto } from '../support/draw.js'
import { nearestGraph, networkGraph, writeModel } from '../support/model.js'

async function runBytes(graph: Graph, data: Uint8Array, dims: number[]): Promise<Uint8Array> {
  const session = await openSession(serialize(toUint8Nhwc(graph)))
  const bytes = await session.runBytes(data, dims)
  await session.close()
  return bytes
}

test('bytes go through a network that changes nothing unchanged, all 256 of them', async () => {
  const data = Uint8Array.from({ length: 256 * 3 }, (_, i) => Math.floor(i / 3))
  const answer = await runBytes(nearestGraph(1), data, [1, 16, 16, 3])
  assert.deepEqual(answer, data)
})

test('every byte comes out rounded to the nearest, but for ties', async () => {
  const photo = drawPhoto(61, 47)
  const graph = networkGraph({ scale: 3, depth: 4, channels: 16 })
  const session = await openSession(serialize(graph))
  const { data, dims } = await session.run(toPlanes(photo))
  await session.close()
  const bytes = await runBytes(graph, photo.data, [1, photo.height, photo.width, 3])
  const area = dims[2]! * dims[3]!
  assert.equal(bytes.length, area * 3)
  bytes.forEach((byte, i) => {
    const value = 255 * Math.min(1, Math.max(0, data[(i % 3) * area + Math.floor(i / 3)]!))
    // A half and the float error of one multiplication.
    assert.ok(Math.abs(byte - value) <= 0.5 + 1e-4, `${byte} for ${value}`)
  })
})

test('values below 0 and above 1 end at black and white instead of wrapping', async () => {
  const plain = nearestGraph(1)
  for (const [offset, want] of [
    [-5, 0],
    [5, 255],
  ] as const) {
    const shifted: Graph = {
      ...plain,
      nodes: [node('Add', ['input', 'offset'], ['output'])],
      initializers: new Map([['offset', scalar(offset)]]),
    }
    const answer = await runBytes(shifted, drawNoise(5, 4).data, [1, 4, 5, 3])
    assert.ok(answer.every(byte => byte === want))
  }
})

test('a variant of another network is told apart', async () => {
  const canonical = await openSession(serialize(networkGraph({ scale: 2, depth: 3, channels: 8, seed: 1 })))
  const other = await openSession(serialize(toUint8Nhwc(networkGraph({ scale: 2, depth: 3, channels: 8, seed: 2 }))))
  assert.ok((await compareBytes(canonical, other, { width: 40, height: 30 })) > 1)
  await Promise.all([canonical.close(), other.close()])
})

test('a model file that does not match its card is refused with both sums', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'uprez-uint8-'))
  try {
    const { dir, card } = await writeModel(folder, { kind: 'network' })
    const model = await findModel(dir)
    const bytes = await readFile(join(dir, 'model.onnx'))
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(join(dir, 'model.onnx'), bytes)
    await assert.rejects(readGraph(model, card.model), { code: 'model-mismatch', expected: card.model.sha256 })
    await readGraph(model, card.variants.uint8!)
  } finally {
    await rm(folder, { recursive: true })
  }
})
