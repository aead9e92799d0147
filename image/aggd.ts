/** An asymmetric generalised Gaussian about 0: density ∝ exp(−(−x/left)^shape) below zero, exp(−(x/right)^shape) above. */
export interface Aggd {
  /** 0.2..10; 1 Laplacian, 2 Gaussian. */
  shape: number
  /** Scale below zero. */
  left: number
  /** Scale above zero. */
  right: number
}

/**
 * Fits the distribution to samples by their moments. Lasmar, Stitou & Berthoumieu, "Multiscale skewed heavy tailed model for
 * texture analysis", ICIP 2009, section 2.
 * @returns not-a-number where one side of zero has no sample
 */
export function fitAggd(samples: Float64Array): Aggd {
  let [below, above, belowCount, aboveCount, absolute] = [0, 0, 0, 0, 0]
  for (let i = 0; i < samples.length; i++) {
    const x = samples[i]!
    if (x < 0) {
      below += x * x
      belowCount++
      absolute -= x
    } else if (x > 0) {
      above += x * x
      aboveCount++
      absolute += x
    }
  }
  const leftDeviation = Math.sqrt(below / belowCount)
  const rightDeviation = Math.sqrt(above / aboveCount)
  const g = leftDeviation / rightDeviation
  const ratio = (absolute * absolute) / (samples.length * (below + above))
  const shape = shapeOf((ratio * (g ** 3 + 1) * (g + 1)) / (g * g + 1) ** 2)
  const scale = Math.exp((logGamma(1 / shape) - logGamma(3 / shape)) / 2)
  return { shape, left: leftDeviation * scale, right: rightDeviation * scale }
}

/** Mean of the distribution: (right − left) Γ(2/shape) / Γ(1/shape). */
export function meanOfAggd({ shape, left, right }: Aggd): number {
  return (right - left) * Math.exp(logGamma(2 / shape) - logGamma(1 / shape))
}

// Before RATIOS, which is made with them.
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
]

const [LEAST, MOST, STEP] = [0.2, 10, 0.001]

/** (mean |x|)² / mean x² of a generalised Gaussian, for every shape on the grid: it rises with the shape. */
const RATIOS = Float64Array.from({ length: Math.round((MOST - LEAST) / STEP) + 1 }, (_, i) => {
  const inverse = 1 / (LEAST + i * STEP)
  return Math.exp(2 * logGamma(2 * inverse) - logGamma(inverse) - logGamma(3 * inverse))
})

/** The shape on the grid whose ratio is nearest. */
function shapeOf(ratio: number): number {
  if (Number.isNaN(ratio)) return ratio
  let [low, high] = [0, RATIOS.length - 1]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (RATIOS[middle]! < ratio) low = middle
    else high = middle
  }
  return LEAST + STEP * (ratio - RATIOS[low]! < RATIOS[high]! - ratio ? low : high)
}

/** Lanczos' approximation (g = 7, nine terms), for x > 0; relative error below 1e-14. */
export function logGamma(x: number): number {
  let sum = LANCZOS[0]!
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (x - 1 + i)
  const t = x + 6.5
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum)
}
