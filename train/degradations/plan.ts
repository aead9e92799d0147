/**
 * A drawn degradation as plain data: what is done to a picture, in this order. `applyDegradation` does it; the same plan and
 * picture give the same bytes.
 */
export type DegradationPlan = DegradationStep[]

export type DegradationStep = BlurStep | ResizeStep | GaussianNoiseStep | PoissonNoiseStep | CompressStep

export interface BlurStep {
  op: 'blur'
  kernel: KernelShape
}

/** A square kernel of an odd side; see kernels.ts for the formulas. */
export type KernelShape =
  | {
      shape: 'gaussian' | 'generalized' | 'plateau'
      /** Side in pixels. */
      size: number
      /** Widths along the two axes, in pixels. */
      sigma: [number, number]
      /** Of the first axis, in radians. */
      angle: number
      /** Exponent of the generalized and plateau shapes; 1 is a Gaussian's. */
      beta: number
      /** How far the middle lies off the middle pixel, in pixels, in both directions. */
      shift: number
    }
  | {
      shape: 'sinc'
      size: number
      /** Radians per pixel. */
      cutoff: number
    }

export interface ResizeStep {
  op: 'resize'
  /** Sides as a fraction of the original picture's. */
  to: number
  method: ResizeMethod
}

/** As OpenCV resizes: `area` averages what a pixel covers, the next three read the pixels around its centre; `antialiased` is MATLAB's bicubic. */
export type ResizeMethod = 'area' | 'bilinear' | 'bicubic' | 'nearest' | 'antialiased'

export interface GaussianNoiseStep {
  op: 'gaussian-noise'
  /** Of 255. */
  sigma: number
  /** Each sample its own, one for the three colours of a pixel, or three mixed by a 3×3 matrix (rows first). */
  colour: 'independent' | 'grey' | number[]
  seed: number
}

export interface PoissonNoiseStep {
  op: 'poisson-noise'
  /** Factor of shot noise with 256 photons at white. */
  strength: number
  colour: 'independent' | 'grey'
  seed: number
}

export interface CompressStep {
  op: 'jpeg' | 'webp'
  quality: number
}

/** One line for a person, for example `gaussian 1.8×0.6 · 43% area · noise 12 grey · jpeg 71 · 25% bicubic`. */
export function describeDegradation(plan: DegradationPlan): string {
  return plan.map(describeStep).join(' · ')
}

function describeStep(step: DegradationStep): string {
  switch (step.op) {
    case 'blur':
      return describeKernel(step.kernel)
    case 'resize':
      return `${Math.round(step.to * 100)}% ${step.method}`
    case 'gaussian-noise':
      return `noise ${round(step.sigma)} ${typeof step.colour === 'string' ? step.colour : 'mixed'}`
    case 'poisson-noise':
      return `photons ${round(step.strength)} ${step.colour}`
    case 'jpeg':
    case 'webp':
      return `${step.op} ${step.quality}`
  }
}

function describeKernel(kernel: KernelShape): string {
  if (kernel.shape === 'sinc') return `sinc ${round(kernel.cutoff)}`
  const [first, second] = kernel.sigma
  const width = first === second ? round(first) : `${round(first)}×${round(second)}`
  return `${kernel.shape} ${width}${kernel.shape === 'gaussian' ? '' : ` β ${round(kernel.beta)}`}`
}

function round(value: number): number {
  return Number(value.toFixed(value < 10 ? 1 : 0))
}
