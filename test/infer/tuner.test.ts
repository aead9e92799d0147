import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { OrtThreads } from '../../infer/ort-threads.js'
import { createTuner } from '../../infer/tuner.js'
import { writeModel } from '../support/model.js'

const folder = await mkdtemp(join(tmpdir(), 'uprez-tuner-'))
process.env.UPREZ_CACHE = folder
after(() => rm(folder, { recursive: true }))

test('a model that could not be made ready is made ready for the next one who asks, once', async () => {
  const { card } = await writeModel(folder)
  let warmed = 0
  let short = true
  const ort: Pick<OrtThreads, 'run' | 'warm'> = {
    run: async (_, windows) => windows,
    warm: async () => {
      if (short) throw new Error('out of memory')
      warmed++
    },
  }
  const tuner = createTuner(ort, { provider: 'cuda', devices: [0] })
  const prepare = () => tuner.prepare('a session', card, card.model.sha256, () => () => {})
  await assert.rejects(prepare(), /out of memory/)
  short = false
  const first = await prepare()
  assert.ok(first.side > 0 && warmed > 0)
  const before = warmed
  assert.equal(await prepare(), first)
  assert.equal(warmed, before)
})
