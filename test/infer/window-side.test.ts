import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { windowSide } from '../../infer/window-side.js'
import type { UpscaleCard } from '../../models/card.js'

const size = { width: 480, height: 320 }
const card = (rest: Partial<UpscaleCard>) => ({ halo: 13, receptiveField: 13, fixedSize: null, sizeMultiple: 1, ...rest }) as UpscaleCard

describe('the side of tiles', () => {
  it('gives every thread a tile where a picture runs alone', () => {
    const side = windowSide(size, card({}), 2, true)
    assert.ok(2 * (side - 26) ** 2 >= 480 * 320 && side < 480)
    assert.ok(windowSide(size, card({}), 16, true) < side)
    assert.equal(windowSide({ width: 2000, height: 2000 }, card({}), 2, true), 512)
  })

  it('does not depend on what else runs where that could show', () => {
    assert.equal(windowSide(size, card({}), 2, false), 512)
    for (const alone of [true, false]) assert.equal(windowSide(size, card({ halo: 6 }), 2, alone), 512)
  })

  it('is smaller for a picture that needs much memory itself', () => {
    for (const alone of [true, false]) assert.equal(windowSide({ width: 6000, height: 4000 }, card({}), 2, alone), 320)
  })

  it('leaves models that run whole or at one size alone, and has room for a large halo', () => {
    assert.equal(windowSide(size, card({ halo: null }), 2, true), 0)
    assert.equal(windowSide(size, card({ fixedSize: { width: 64, height: 64 } }), 2, true), 0)
    assert.equal(windowSide(size, card({ halo: 200, receptiveField: 300 }), 2, false), 800)
  })
})
