import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromHalf, toHalf } from '../half.js'

const INFINITE = 0x7c00
/** Every half float from 0 to the largest, and what would come next. */
const halves = Array.from({ length: INFINITE }, (_, bits) => fromHalf(bits)).concat(65_536)

test('every half float comes back as the bits that it was', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = fromHalf(bits)
    if (Number.isNaN(value)) assert.ok(Number.isNaN(fromHalf(toHalf(value))))
    else assert.equal(toHalf(value), bits)
  }
})

test('half floats grow with their bits, as IEEE 754 has them', () => {
  for (let bits = 1; bits < halves.length; bits++) assert.ok(halves[bits]! > halves[bits - 1]!)
  const known = { 1: 2 ** -24, 1023: 1023 * 2 ** -24, 1024: 2 ** -14, 13653: 0.333251953125, 15360: 1, 15361: 1 + 2 ** -10, 31743: 65_504 }
  for (const [bits, value] of Object.entries(known)) assert.equal(fromHalf(Number(bits)), value)
  assert.deepEqual([fromHalf(0xc000), fromHalf(0x7c00), fromHalf(0xfc00)], [-2, Infinity, -Infinity])
})

test('between any two neighbours the middle goes to the even one, and anything beside it to the nearer', () => {
  for (let bits = 0; bits < INFINITE; bits++) {
    const [below, above] = [halves[bits]!, halves[bits + 1]!]
    const middle = (below + above) / 2
    const nudge = (above - below) * 2 ** -30
    for (const sign of [1, -1]) {
      const mark = sign < 0 ? 0x8000 : 0
      assert.equal(toHalf(sign * middle), mark | (bits + (bits % 2)))
      assert.equal(toHalf(sign * (middle - nudge)), mark | bits)
      assert.equal(toHalf(sign * (middle + nudge)), mark | (bits + 1))
    }
  }
})

test('any float32 goes to a half float that no other is nearer than', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true }), value => {
      const half = fromHalf(toHalf(value))
      if (Math.abs(value) >= 65_520) return half === Math.sign(value) * Infinity
      const next = halves.findIndex(h => h >= Math.abs(value))
      const distance = Math.min(...[next - 1, next].map(i => Math.abs((halves[Math.max(0, i)] ?? 0) - Math.abs(value))))
      return Math.abs(half - value) === distance && Object.is(Math.sign(half) || half, half === 0 ? Math.sign(value) * 0 : Math.sign(value))
    }),
    { numRuns: 300 },
  )
})
