import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createPatience, pixelPatience, runPatience, WAITING } from '../../infer/patience.js'

function listen() {
  const told: number[] = []
  const patience = createPatience(factor => told.push(factor))
  /** What was told since the last call. */
  const heard = async () => {
    await new Promise(setImmediate)
    return told.splice(0)
  }
  return { patience, heard }
}

describe('the patience with a job', () => {
  it('is that for its longest step under way, and tells when a step begins or ends', async () => {
    const { patience, heard } = listen()
    const short = patience.begin(1)
    assert.deepEqual(await heard(), [1])
    const long = patience.begin(7)
    assert.deepEqual(await heard(), [7])
    short()
    assert.deepEqual(await heard(), [7])
    long()
    assert.deepEqual(await heard(), [1])
  })

  it('is endless where the job only waits, and not where one of its steps is under way meanwhile', async () => {
    const { patience, heard } = listen()
    const waits = [patience.begin(WAITING), patience.begin(WAITING)]
    assert.deepEqual(await heard(), [0])
    const tile = patience.begin(2)
    assert.deepEqual(await heard(), [2])
    waits[0]!()
    assert.deepEqual(await heard(), [])
    tile()
    assert.deepEqual(await heard(), [0])
    waits[1]!()
    assert.deepEqual(await heard(), [1])
  })

  it('never shows as endless where one step follows on another at once', async () => {
    const { patience, heard } = listen()
    patience.begin(WAITING)
    const first = patience.begin(3)
    await heard()
    first()
    patience.begin(3)
    assert.deepEqual(await heard(), [3])
  })

  it('lasts as long as is said between the steps, and ends a step that fails', async () => {
    const { patience, heard } = listen()
    patience.between(5)
    assert.deepEqual(await heard(), [5])
    await assert.rejects(
      patience.during(2, () => Promise.reject(new Error('failed'))),
      /failed/,
    )
    assert.equal((await heard()).at(-1), 5)
  })

  it('grows with the pixels and with the work on each, and is never below the usual', () => {
    assert.equal(pixelPatience(1000), 1)
    assert.equal(pixelPatience(250e6), 25)
    assert.equal(runPatience(512 * 512, 230_000), 1)
    assert.equal(runPatience(8e6, 4.4e6), 35.2)
  })
})
