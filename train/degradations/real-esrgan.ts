import { z } from 'zod'
import { integer, pick, uniform } from '../random.js'
import { compressionSchema, drawCompression } from './compress.js'
import { cleanSchema, drawMethod, drawSide, probability, range, sizes, weight } from './options.js'
import type { DegradationPlan, DegradationStep, KernelShape } from './plan.js'

/**
 * The second-order degradation of Real-ESRGAN (Wang, Xie, Dong, Shan 2021): blur, resize, noise, compression; again, gentler; the
 * last resize with a sinc filter before or after the last compression. Defaults are the paper's (§4.1, "Degradation details"); those
 * it does not state are the options of its published code (train_realesrgan_x4plus.yml).
 */
export const realEsrganSchema = z.strictObject({
  kind: z.literal('real-esrgan'),
  clean: cleanSchema,
  first: z
    .strictObject({
      blur: blurSchema(1, [0.2, 3]).prefault({}),
      resize: resizeSchema({ up: 0.2, down: 0.7, keep: 0.1 }, [0.15, 1.5]).prefault({}),
      noise: noiseSchema([1, 30], [0.05, 3]).prefault({}),
      compression: compressionSchema.prefault({}),
    })
    .prefault({}),
  second: z
    .strictObject({
      blur: blurSchema(0.8, [0.2, 1.5]).prefault({}),
      resize: resizeSchema({ up: 0.3, down: 0.4, keep: 0.3 }, [0.3, 1.2]).prefault({}),
      noise: noiseSchema([1, 25], [0.05, 2.5]).prefault({}),
      compression: compressionSchema.prefault({}),
    })
    .prefault({}),
  final: z
    .strictObject({
      sinc: probability(0.8).describe('probability of the sinc filter (§3.3)'),
      size: sizes([7, 21]),
      cutoff: range(0.05, 1, [1 / 3, 1]).describe('of the sinc filter, as a fraction of π'),
      compressionFirst: probability(0.5).describe('probability of the last compression before the last resize and filter'),
    })
    .prefault({}),
})

type RealEsrganOptions = z.infer<typeof realEsrganSchema>
type Order = RealEsrganOptions['first'] | RealEsrganOptions['second']

export function drawRealEsrgan(options: RealEsrganOptions, scale: number, random: () => number): DegradationPlan {
  const { first, second, final } = options
  const filter = (): DegradationStep[] => [
    { op: 'resize', to: 1 / scale, method: drawMethod(random) },
    ...(random() < final.sinc ? [blurWith(drawSinc(final.size, final.cutoff, random))] : []),
  ]
  const compression = () => [drawCompression(second.compression, random)]
  return [
    ...drawBlur(first.blur, random),
    ...drawResize(first.resize, 1, random),
    drawNoise(first.noise, random),
    drawCompression(first.compression, random),
    ...drawBlur(second.blur, random),
    ...drawResize(second.resize, scale, random),
    drawNoise(second.noise, random),
    ...(random() < final.compressionFirst ? [...compression(), ...filter()] : [...filter(), ...compression()]),
  ]
}

function blurSchema(byDefault: number, sigma: [number, number]) {
  return z.strictObject({
    probability: probability(byDefault).describe('of the blur'),
    size: sizes([7, 21]),
    sinc: probability(0.1).describe('share of sinc kernels; the others by `shapes`'),
    cutoff: range(0.05, 1, [1 / 5, 1]).describe('of sinc kernels, as a fraction of π; kernels smaller than 13 begin at 1/3'),
    shapes: z
      .strictObject({
        isotropic: weight(0.45),
        anisotropic: weight(0.25),
        generalizedIsotropic: weight(0.12),
        generalizedAnisotropic: weight(0.03),
        plateauIsotropic: weight(0.12),
        plateauAnisotropic: weight(0.03),
      })
      .refine(shapes => Object.values(shapes).some(share => share > 0), 'one weight above 0')
      .prefault({}),
    sigma: range(0.05, 20, sigma).describe('width in pixels'),
    generalizedBeta: range(0.1, 10, [0.5, 4]).describe('exponent of the generalized shapes'),
    plateauBeta: range(0.1, 10, [1, 2]).describe('exponent of the plateau shapes'),
  })
}

function resizeSchema(ways: { up: number; down: number; keep: number }, factors: [number, number]) {
  return z
    .strictObject({
      up: weight(ways.up),
      down: weight(ways.down),
      keep: weight(ways.keep),
      factors: range(0.05, 4, factors).describe('the least reduction and the most enlargement'),
    })
    .refine(({ up, down, keep }) => up + down + keep > 0, 'one weight above 0')
    .refine(({ factors: [least, most] }) => least <= 1 && most >= 1, 'factors on both sides of 1')
}

function noiseSchema(sigma: [number, number], strength: [number, number]) {
  return z.strictObject({
    gaussian: probability(0.5).describe('share of Gaussian noise; the rest is Poisson'),
    sigma: range(0, 255, sigma).describe('of Gaussian noise, of 255'),
    strength: range(0, 20, strength).describe('factor of Poisson noise'),
    grey: probability(0.4).describe('share of noise that is alike in the three colours'),
  })
}

function drawBlur(options: Order['blur'], random: () => number): DegradationStep[] {
  if (random() >= options.probability) return []
  return [blurWith(random() < options.sinc ? drawSinc(options.size, options.cutoff, random) : drawBell(options, random))]
}

function blurWith(kernel: KernelShape): DegradationStep {
  return { op: 'blur', kernel }
}

/** Kernels smaller than 13 are too small to hold the ringing of a low cutoff. */
function drawSinc(sides: [number, number], [least, most]: [number, number], random: () => number): KernelShape {
  const size = drawSide(sides, random)
  const from = size < 13 ? Math.min(Math.max(least, 1 / 3), most) : least
  return { shape: 'sinc', size, cutoff: Math.PI * uniform(random, [from, most]) }
}

const BELLS = {
  isotropic: { shape: 'gaussian', round: true },
  anisotropic: { shape: 'gaussian', round: false },
  generalizedIsotropic: { shape: 'generalized', round: true },
  generalizedAnisotropic: { shape: 'generalized', round: false },
  plateauIsotropic: { shape: 'plateau', round: true },
  plateauAnisotropic: { shape: 'plateau', round: false },
} as const

function drawBell(options: Order['blur'], random: () => number): KernelShape {
  const { shape, round } = BELLS[pick(random, options.shapes)]
  const size = drawSide(options.size, random)
  const along = uniform(random, options.sigma)
  const across = round ? along : uniform(random, options.sigma)
  const angle = round ? 0 : uniform(random, [-Math.PI, Math.PI])
  const beta = shape === 'gaussian' ? 1 : drawBeta(shape === 'generalized' ? options.generalizedBeta : options.plateauBeta, random)
  return { shape, size, sigma: [along, across], angle, beta, shift: 0 }
}

/** Half of the exponents below 1, half above, as the published code draws them, where the range has both. */
function drawBeta([least, most]: [number, number], random: () => number): number {
  if (least > 1 || most < 1) return uniform(random, [least, most])
  return uniform(random, random() < 0.5 ? [least, 1] : [1, most])
}

/** @param scale the reduction that the factor is counted from */
function drawResize(options: Order['resize'], scale: number, random: () => number): DegradationStep[] {
  const { up, down, keep, factors } = options
  const way = pick(random, { up, down, keep })
  const factor = way === 'keep' ? 1 : uniform(random, way === 'up' ? [1, factors[1]] : [factors[0], 1])
  return [{ op: 'resize', to: factor / scale, method: drawMethod(random) }]
}

function drawNoise(options: Order['noise'], random: () => number): DegradationStep {
  const gaussian = random() < options.gaussian
  const colour = random() < options.grey ? 'grey' : 'independent'
  const amount = uniform(random, gaussian ? options.sigma : options.strength)
  const seed = integer(random, 2 ** 32)
  return gaussian ? { op: 'gaussian-noise', sigma: amount, colour, seed } : { op: 'poisson-noise', strength: amount, colour, seed }
}
