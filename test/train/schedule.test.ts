import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scheduleSchema } from '../../train/loop-options.js'
import { learningRateAt } from '../../train/schedule.js'

test('cosine: a straight rise to the peak, half way between peak and minimum in the middle, the minimum at the end', () => {
  const schedule = scheduleSchema.parse({ steps: 110, warmup: 10, minimum: 0.1 })
  const rates = Array.from({ length: 110 }, (_, i) => learningRateAt(i + 1, 1, schedule))
  assert.deepEqual(rates.slice(0, 10), [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1])
  assert.ok(Math.abs(rates[59]! - 0.55) < 1e-12)
  assert.ok(Math.abs(rates[109]! - 0.1) < 1e-12)
  for (let i = 10; i < 110; i++) assert.ok(rates[i]! < rates[i - 1]!)
})

test('multistep: the peak until a milestone is done, then gamma times less, again at each', () => {
  const schedule = scheduleSchema.parse({ kind: 'multistep', steps: 100, warmup: 4, milestones: [50, 80], gamma: 0.25 })
  const rate = (step: number) => learningRateAt(step, 2, schedule)
  assert.deepEqual([2, 4, 5, 50, 51, 80, 81, 100].map(rate), [1, 2, 2, 2, 0.5, 0.5, 0.125, 0.125])
})

test('a run that is longer than its schedule once was does not learn faster again', () => {
  const schedule = scheduleSchema.parse({ steps: 20, warmup: 0, minimum: 0.1 })
  assert.ok(Math.abs(learningRateAt(30, 1, schedule) - 0.1) < 1e-12)
})
