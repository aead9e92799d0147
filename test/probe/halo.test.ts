import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serialize } from '../../export/onnx.js'
import { measureHalo } from '../../probe/halo.js'
import { drawLeaves } from '../../probe/picture.js'
import { openSession } from '../../probe/session.js'
import { nearestGraph, networkGraph } from '../support/model.js'

const measure = async (
  graph: Parameters<typeof serialize>[0],
  about: Omit<Parameters<typeof measureHalo>[1], 'flopsPerPixel'>,
  flopsPerPixel = 1e4,
) => {
  const session = await openSession(serialize(graph))
  try {
    return await measureHalo(session, { ...about, flopsPerPixel })
  } finally {
    await session.close()
  }
}
const deep = networkGraph({ scale: 2, depth: 6, channels: 16 })

test('a network that looks at single pixels needs no overlap', async () => {
  assert.deepEqual(await measure(nearestGraph(2), { scale: 2, sizeMultiple: 1, receptiveField: 0 }), { halo: 0, haloError: 0 })
})

test('the overlap found lies within the receptive field, and one pixel less is too little', async () => {
  const { halo, haloError } = await measure(deep, { scale: 2, sizeMultiple: 1, receptiveField: 6 })
  assert.ok(halo > 0 && halo <= 6)
  assert.ok(haloError <= 1 / 255)
  // Were the receptive field one less than what is enough, it would be reported as stated too small.
  await assert.rejects(measure(deep, { scale: 2, sizeMultiple: 1, receptiveField: halo - 1 }), {
    code: 'parity-failed',
    param: 'receptiveField',
  })
})

test('the overlap keeps windows at multiples of the size that the network takes', async () => {
  const { halo } = await measure(deep, { scale: 2, sizeMultiple: 4, receptiveField: 6 })
  assert.equal(halo % 4, 0)
})

test('a network too dear to be measured often is measured on one window', async () => {
  const { halo, haloError } = await measure(deep, { scale: 2, sizeMultiple: 1, receptiveField: 6 }, 1e14)
  const often = await measure(deep, { scale: 2, sizeMultiple: 1, receptiveField: 6 })
  assert.ok(halo <= often.halo && haloError <= 1 / 255)
})

test('drawn leaves are the same for the same seed, fill the picture and differ between seeds', () => {
  const a = drawLeaves(40, 30, 1)
  assert.deepEqual(a, drawLeaves(40, 30, 1))
  assert.notDeepEqual(a, drawLeaves(40, 30, 2))
  assert.equal(a.data.length, 40 * 30 * 3)
  const mean = a.data.reduce((sum, v) => sum + v, 0) / a.data.length
  assert.ok(mean > 60 && mean < 195)
})
