import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDuration, parseDuration } from '../../train/duration.js'

test('lengths of time are read in days, hours, minutes and seconds', () => {
  const cases: [string, number][] = [
    ['90m', 5400],
    ['1h30m', 5400],
    ['45s', 45],
    ['2d', 172_800],
    ['1d2h3m4s', 93_784],
  ]
  for (const [text, seconds] of cases) assert.equal(parseDuration(text, '--time-limit'), seconds * 1000)
})

test('anything else, nothing at all, and what is longer than a timer can count is refused', () => {
  for (const text of ['', '0m', '90', '1.5h', '-1h', '30m1h', 'soon', '25d', '999999999h']) {
    assert.throws(() => parseDuration(text, '--time-limit'), { code: 'invalid-option', param: '--time-limit', got: text })
  }
})

test('what is left is told shortly', () => {
  assert.deepEqual([5, 65, 3600, 93_784, Number.POSITIVE_INFINITY].map(formatDuration), ['5s', '1m05s', '1h00m', '26h03m', '?'])
})
