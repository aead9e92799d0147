/** Learning rate of a step (counted from 1): linear warm-up, then a half cosine down to the minimum at the last step (Loshchilov & Hutter 2017, without restarts). */
export function learningRateAt(step: number, peak: number, schedule: { steps: number; warmup: number; minimum: number }): number {
  const { steps, warmup, minimum } = schedule
  if (step <= warmup) return (peak * step) / warmup
  const done = Math.min(1, (step - warmup) / Math.max(1, steps - warmup))
  return minimum + ((peak - minimum) * (1 + Math.cos(Math.PI * done))) / 2
}
