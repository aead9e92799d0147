import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compare, inTurn, median, percentile } from '../../bench/statistics.js'

const rates = fc.array(fc.double({ min: 0.1, max: 1000, noNaN: true }), { minLength: 1, maxLength: 20 })

test('the ratio is the median of the pairs, not the ratio of the medians', () => {
  // The second pair met a machine ten times as slow: both sides did, so its ratio is as good as any.
  const pairs = [
    { ours: 90, peer: 100 },
    { ours: 9.5, peer: 10 },
    { ours: 100, peer: 100 },
  ]
  const { ours, peer, ratio, lowest, highest } = compare(pairs)
  assert.deepEqual({ ours, peer, ratio, lowest, highest }, { ours: 90, peer: 100, ratio: 0.95, lowest: 0.9, highest: 1 })
})

test('a machine that changes its speed between pairs does not change the ratio', () => {
  fc.assert(
    fc.property(rates, fc.double({ min: 0.1, max: 10, noNaN: true }), (peers, factor) => {
      const { ratio } = compare(peers.map(peer => ({ ours: peer * factor, peer })))
      assert.ok(Math.abs(ratio / factor - 1) < 1e-9)
    }),
  )
})

test('as many values lie below the median as above', () => {
  fc.assert(
    fc.property(rates, values => {
      const middle = median(values)
      const below = values.filter(value => value < middle).length
      const above = values.filter(value => value > middle).length
      assert.ok(below <= values.length / 2 && above <= values.length / 2)
    }),
  )
})

test('p99 of a hundred values is the last but one, of few the largest', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
  assert.equal(percentile(hundred, 0.99), 99)
  assert.equal(percentile(hundred, 0.5), 50)
  assert.equal(percentile([3, 9, 1], 0.99), 9)
})

test('both sides run in turn, and neither always first', async () => {
  let calls = ''
  const side = (name: string, rate: number) => async () => {
    calls += name
    return rate
  }
  const pairs = await inTurn(3, side('A', 1), side('B', 2))
  assert.equal(calls, 'ABBAAB')
  assert.deepEqual(pairs, Array(3).fill({ ours: 1, peer: 2 }))
})
