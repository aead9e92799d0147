import type { KernelShape } from './plan.js'

/** A square kernel, rows first, whose weights sum to 1. */
export interface Kernel {
  side: number
  weights: Float64Array
}

/**
 * The kernel of a shape. With C the offset from the middle and Σ = R diag(σ₁², σ₂²) Rᵀ, before normalisation:
 * gaussian exp(−½ CᵀΣ⁻¹C), generalized exp(−½ (CᵀΣ⁻¹C)^β), plateau 1 / (1 + (CᵀΣ⁻¹C)^β) (Wang 2021, Real-ESRGAN, §3.1 and
 * appendix A), sinc ω J₁(ω|C|) / (2π|C|), the ideal circular low-pass filter (§3.3).
 */
export function makeKernel(shape: KernelShape): Kernel {
  const side = shape.size
  const at = shape.shape === 'sinc' ? sinc(shape.cutoff) : bell(shape)
  const middle = (side - 1) / 2
  const weights = new Float64Array(side * side)
  for (let y = 0, i = 0; y < side; y++) {
    for (let x = 0; x < side; x++, i++) weights[i] = at(x - middle, y - middle)
  }
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return { side, weights: weights.map(weight => weight / sum) }
}

function bell({ shape, sigma: [first, second], angle, beta, shift }: Exclude<KernelShape, { shape: 'sinc' }>) {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  return (x: number, y: number): number => {
    const along = ((x - shift) * cos + (y - shift) * sin) / first
    const across = ((y - shift) * cos - (x - shift) * sin) / second
    const distance = along * along + across * across
    if (shape === 'gaussian') return Math.exp(-distance / 2)
    return shape === 'generalized' ? Math.exp(-(distance ** beta) / 2) : 1 / (1 + distance ** beta)
  }
}

function sinc(cutoff: number): (x: number, y: number) => number {
  // A kernel has few distances: by symmetry an eighth of its pixels at most.
  const known = new Map<number, number>()
  return (x, y) => {
    const square = x * x + y * y
    if (square === 0) return cutoff ** 2 / (4 * Math.PI)
    const distance = Math.sqrt(square)
    const value = known.get(square) ?? (cutoff * besselJ1(cutoff * distance)) / (2 * Math.PI * distance)
    known.set(square, value)
    return value
  }
}

/** J₁(x) = 1/π ∫₀^π cos(τ − x sin τ) dτ: the midpoint rule on a periodic integrand is exact to rounding once it has more points than x. */
function besselJ1(x: number): number {
  const points = 32 + Math.ceil(x)
  let sum = 0
  for (let i = 0; i < points; i++) {
    const angle = (Math.PI * (i + 0.5)) / points
    sum += Math.cos(angle - x * Math.sin(angle))
  }
  return sum / points
}
