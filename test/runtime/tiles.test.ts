import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UprezError } from '../../errors.js'
import { planTiles } from '../../runtime/tiles.js'
import { cardWith } from './models.js'

const sizes = fc.record({ width: fc.integer({ min: 1, max: 700 }), height: fc.integer({ min: 1, max: 700 }) })

/** Any size with a card and a tile side that suit each other. */
const plans = fc
  .record({
    size: sizes,
    halo: fc.integer({ min: 0, max: 40 }),
    sizeMultiple: fc.integer({ min: 1, max: 9 }),
    extra: fc.integer({ min: 0, max: 200 }),
    auto: fc.boolean(),
  })
  .map(({ size, halo, sizeMultiple, extra, auto }) => {
    const card = cardWith({ halo, sizeMultiple })
    const aligned = Math.ceil(halo / sizeMultiple) * sizeMultiple
    return { size, card, aligned, side: auto ? 0 : 2 * aligned + sizeMultiple + extra }
  })

test('cores partition the picture', () => {
  fc.assert(
    fc.property(plans, ({ size, card, side }) => {
      const seen = new Uint8Array(size.width * size.height)
      for (const { core } of planTiles(size, card, side)) {
        for (let y = core.y; y < core.y + core.height; y++) for (let x = core.x; x < core.x + core.width; x++) seen[y * size.width + x]!++
      }
      assert.ok(seen.every(times => times === 1))
    }),
    { numRuns: 60 },
  )
})

test('windows have one shape, lie inside the picture enlarged to the multiple, and start on multiples', () => {
  fc.assert(
    fc.property(plans, ({ size, card, side }) => {
      const m = card.sizeMultiple
      const [first, ...rest] = planTiles(size, card, side).map(tile => tile.window)
      for (const w of [first!, ...rest]) {
        assert.deepEqual([w.width, w.height], [first!.width, first!.height])
        assert.deepEqual([w.x % m, w.y % m, w.width % m, w.height % m], [0, 0, 0, 0])
        assert.ok(w.x >= 0 && w.x + w.width <= Math.ceil(size.width / m) * m)
        assert.ok(w.y >= 0 && w.y + w.height <= Math.ceil(size.height / m) * m)
        if (side > 0) assert.ok(Math.max(w.width, w.height) <= Math.max(side, 1))
      }
    }),
  )
})

test('a core keeps the halo to every edge of its window that is not an edge of the picture', () => {
  fc.assert(
    fc.property(plans, ({ size, card, side }) => {
      const halo = card.halo!
      for (const { core, window } of planTiles(size, card, side)) {
        if (window.x > 0) assert.ok(core.x - window.x >= halo)
        if (window.y > 0) assert.ok(core.y - window.y >= halo)
        if (window.x + window.width < size.width) assert.ok(window.x + window.width - core.x - core.width >= halo)
        if (window.y + window.height < size.height) assert.ok(window.y + window.height - core.y - core.height >= halo)
      }
    }),
  )
})

test('a picture smaller than the window runs as it is', () => {
  const whole = { x: 0, y: 0, width: 90, height: 60 }
  assert.deepEqual(planTiles({ width: 90, height: 60 }, cardWith({ halo: 8 }), 100), [{ window: whole, core: whole }])
})

test('automatic windows are near 256, and the tiles of a large picture waste little', () => {
  fc.assert(
    fc.property(fc.integer({ min: 400, max: 4000 }), fc.integer({ min: 0, max: 16 }), (side, halo) => {
      const tiles = planTiles({ width: side, height: side }, cardWith({ halo }))
      const { width } = tiles[0]!.window
      assert.ok(width >= 170 && width <= 384, `${width}`)
      const run = tiles.length * width * width
      assert.ok(run <= 1.42 * side * side, `${run / (side * side)}`)
    }),
  )
})

test('a halo larger than the usual window makes the window larger', () => {
  const [tile] = planTiles({ width: 5000, height: 5000 }, cardWith({ halo: 300 }))
  assert.ok(tile!.window.width >= 900)
})

test('a model without a halo runs whole', () => {
  const tiles = planTiles({ width: 3001, height: 2000 }, cardWith({ halo: null, sizeMultiple: 4 }))
  assert.deepEqual(
    tiles.map(tile => tile.window),
    [{ x: 0, y: 0, width: 3004, height: 2000 }],
  )
})

test('a model of one fixed size gets windows of that size, whatever the picture', () => {
  fc.assert(
    fc.property(sizes, size => {
      for (const { window } of planTiles(size, cardWith({ halo: 10, fixedSize: { width: 64, height: 48 } }))) {
        assert.deepEqual([window.width, window.height], [64, 48])
      }
    }),
  )
})

test('a picture that a model can take neither whole nor in tiles is refused with the size it could take', () => {
  const card = cardWith({ halo: null, fixedSize: { width: 64, height: 64 } })
  assert.throws(() => planTiles({ width: 65, height: 10 }, card), error('too-many-pixels', 'at most 64×64'))
})

test('a tile side that leaves no core is refused with the least that would do', () => {
  assert.throws(() => planTiles({ width: 10, height: 10 }, cardWith({ halo: 8 }), 16), error('invalid-option', '0 or at least 17'))
  assert.throws(
    () => planTiles({ width: 10, height: 10 }, cardWith({ halo: 7, sizeMultiple: 4 }), 19),
    error('invalid-option', '0 or at least 20'),
  )
  assert.equal(planTiles({ width: 10, height: 10 }, cardWith({ halo: 8 }), 17).length, 1)
})

test('a tile side is refused where it is no whole number or the model leaves no choice', () => {
  const size = { width: 10, height: 10 }
  for (const side of [-1, 1.5, Number.NaN]) assert.throws(() => planTiles(size, cardWith(), side), error('invalid-option'))
  assert.throws(() => planTiles(size, cardWith({ halo: null }), 64), error('invalid-option', '0'))
  assert.throws(() => planTiles(size, cardWith({ fixedSize: { width: 64, height: 64 } }), 64), error('invalid-option', '0'))
})

function error(code: string, expected?: string) {
  return (thrown: unknown) => {
    assert.ok(thrown instanceof UprezError)
    assert.equal(thrown.code, code)
    if (expected !== undefined) assert.equal(thrown.expected, expected)
    return true
  }
}
