import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRate } from '../../serve/rate.js'

const near = (value: number | undefined, expected: number) => assert.ok(Math.abs(value! - expected) < 0.01 * expected, `${value}`)

test('the rate is megapixels per second of work: idle time does not count, side by side counts once', () => {
  let now = 0
  const rate = createRate(() => now)
  assert.equal(rate.perSecond, undefined)
  rate.begin()
  rate.begin()
  now = 1000
  rate.end(2)
  now = 2000
  rate.end(4)
  near(rate.perSecond, 3)
  now = 1_000_000
  near(rate.perSecond, 3)
})

test('what lies minutes of work back hardly counts, and what came to nothing only takes time', () => {
  let now = 0
  const rate = createRate(() => now)
  const work = (seconds: number, megapixels: number) => {
    rate.begin()
    now += seconds * 1000
    rate.end(megapixels)
  }
  for (let i = 0; i < 100; i++) work(1, 10)
  near(rate.perSecond, 10)
  for (let i = 0; i < 600; i++) work(1, 2)
  near(rate.perSecond, 2)
  for (let i = 0; i < 300; i++) work(1, i % 2 === 0 ? 2 : 0)
  near(rate.perSecond, 1)
})
