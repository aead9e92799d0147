import type { Schedule } from './loop-options.js'

/**
 * Learning rate of a step (counted from 1): linear warm-up to the peak, then either a half cosine down to the minimum at
 * the last step (Loshchilov & Hutter 2017, without restarts), or `gamma` times lower after each milestone.
 */
export function learningRateAt(step: number, peak: number, schedule: Schedule): number {
  const { kind, steps, warmup, minimum, milestones, gamma } = schedule
  if (step <= warmup) return (peak * step) / warmup
  if (kind === 'multistep') return peak * gamma ** milestones.filter(milestone => step > milestone).length
  const done = Math.min(1, (step - warmup) / Math.max(1, steps - warmup))
  return minimum + ((peak - minimum) * (1 + Math.cos(Math.PI * done))) / 2
}
