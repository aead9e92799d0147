import type { Image } from '../../image/image.js'
import { normals, randomAt } from '../random.js'
import type { GaussianNoiseStep, PoissonNoiseStep } from './plan.js'

const PHOTONS_AT_WHITE = 256
/** From here on a Poisson count is drawn as a rounded normal number: its skewness is below a quarter. */
const MANY_PHOTONS = 16
/** Luma of grey noise (Real-ESRGAN's code takes torchvision's). */
const LUMA = [0.2989, 0.587, 0.114] as const

/** Adds zero-mean normal noise to an RGB picture of 0..255, in place, and clamps it. */
export function addGaussianNoise({ data }: Image<Float32Array>, { sigma, colour, seed }: GaussianNoiseStep): void {
  const normal = normals(randomAt(seed))
  if (colour === 'independent') {
    for (let i = 0; i < data.length; i++) data[i] = clamp(data[i]! + sigma * normal())
    return
  }
  const mix = colour === 'grey' ? undefined : colour
  for (let i = 0; i < data.length; i += 3) {
    const a = sigma * normal()
    const [b, c] = mix ? [sigma * normal(), sigma * normal()] : [0, 0]
    for (let k = 0; k < 3; k++) data[i + k] = clamp(data[i + k]! + (mix ? mix[3 * k]! * a + mix[3 * k + 1]! * b + mix[3 * k + 2]! * c : a))
  }
}

/**
 * Adds shot noise to an RGB picture of 0..255, in place, and clamps it: the deviation of a Poisson count from its mean, the mean
 * being 256 photons at white, times `strength`; for grey noise the deviation of the luma.
 */
export function addPoissonNoise({ data }: Image<Float32Array>, { strength, colour, seed }: PoissonNoiseStep): void {
  const random = randomAt(seed)
  const normal = normals(random)
  const perLevel = PHOTONS_AT_WHITE / 255
  const deviation = (level: number) => {
    const mean = Math.max(0, level) * perLevel
    return (strength * (poisson(mean, random, normal) - mean)) / perLevel
  }
  if (colour === 'independent') {
    for (let i = 0; i < data.length; i++) data[i] = clamp(data[i]! + deviation(data[i]!))
    return
  }
  for (let i = 0; i < data.length; i += 3) {
    const noise = deviation(LUMA[0] * data[i]! + LUMA[1] * data[i + 1]! + LUMA[2] * data[i + 2]!)
    for (let k = 0; k < 3; k++) data[i + k] = clamp(data[i + k]! + noise)
  }
}

/** Few photons by multiplying uniform numbers until they fall below e^−mean (Knuth, TAOCP vol. 2, §3.4.1). */
function poisson(mean: number, random: () => number, normal: () => number): number {
  if (mean >= MANY_PHOTONS) return Math.round(mean + Math.sqrt(mean) * normal())
  const limit = Math.exp(-mean)
  let count = 0
  for (let product = random(); product > limit; product *= random()) count++
  return count
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value
}
