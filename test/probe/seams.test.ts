import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serialize } from '../../export/onnx.js'
import { seamHalo } from '../../probe/seams.js'
import { openSession } from '../../probe/session.js'
import { networkGraph } from '../support/model.js'

test('windows of one size: with the overlap found neighbours agree, and with no more than the receptive field', async () => {
  const session = await openSession(serialize(networkGraph({ scale: 2, depth: 6, channels: 16 })))
  const { halo, haloError } = await seamHalo(session, 2, { width: 48, height: 40 })
  const small = await seamHalo(session, 2, { width: 8, height: 8 })
  await session.close()
  assert.ok(halo > 0 && halo <= 6 && haloError <= 1.001 / 255)
  // A quarter of such a window is less than this network looks.
  assert.deepEqual([small.halo, small.haloError > 0], [2, true])
})
