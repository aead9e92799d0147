import { z } from 'zod'
import { integer, normals, pick, uniform } from '../random.js'
import { compressionSchema, drawCompression } from './compress.js'
import { cleanSchema, drawMethod, drawSide, probability, range, sizes, weight } from './options.js'
import type { DegradationPlan, DegradationStep } from './plan.js'

/**
 * The shuffled degradation of BSRGAN (Zhang, Liang, Van Gool, Timofte 2021, §3): two blurs, two reductions, noise and compression in
 * a random order, and a last compression. Defaults are those of its published code for ×4 (degradation_bsrgan); the processed camera
 * noise of §3.3 is left out, for it needs the colour matrices and tone curves of cameras.
 */
export const bsrganSchema = z.strictObject({
  kind: z.literal('bsrgan'),
  clean: cleanSchema,
  halve: probability(0.25).describe('at ×4: probability of a reduction to a half before all else'),
  blur: z
    .strictObject({
      isotropic: probability(0.5).describe('share of round Gaussian kernels; the others are slanted'),
      size: sizes([7, 25]),
      sigma: range(0.05, 20, [0.1, 2.8]).describe('width of round kernels in pixels; the paper has 2.4 for ×2'),
      variance: range(0.05, 400, [0.1, 8]).describe('squared widths of slanted kernels; the paper has 6 for ×2'),
    })
    .prefault({}),
  reduce: z
    .strictObject({
      nearest: probability(0.25).describe('share of taking every nth pixel after a blur; else a resize by a random factor'),
      most: z.number().min(0.25).max(8).default(2).describe('largest factor of that resize, relative to the scale: 2 is half too small'),
      sigma: range(0.02, 2, [0.025, 0.6]).describe('width of the blur before every nth pixel, relative to the scale'),
    })
    .prefault({}),
  noise: z
    .strictObject({
      sigma: range(0, 255, [2, 25]).describe('of 255'),
      independent: weight(0.4),
      grey: weight(0.4),
      mixed: weight(0.2).describe('noise correlated between the colours'),
    })
    .refine(({ independent, grey, mixed }) => independent + grey + mixed > 0, 'one weight above 0')
    .prefault({}),
  compression: probability(0.9).describe('probability of a compression before the last one'),
  codec: compressionSchema.prefault({}),
})

type BsrganOptions = z.infer<typeof bsrganSchema>

export function drawBsrgan(options: BsrganOptions, scale: number, random: () => number): DegradationPlan {
  const halved = scale === 4 && random() < options.halve
  const left = halved ? scale / 2 : scale
  const half = (): DegradationStep => ({ op: 'resize', to: 1 / 2, method: random() < 0.5 ? drawMethod(random) : 'antialiased' })
  const parts: (() => DegradationStep[])[] = [
    () => [drawBlur(options.blur, random)],
    () => [drawBlur(options.blur, random)],
    () => [drawNoise(options.noise, random)],
    () => (random() < options.compression ? [drawCompression(options.codec, random)] : []),
    () => drawReduction(options.reduce, scale, left, random),
    () => [{ op: 'resize', to: 1 / scale, method: drawMethod(random) }],
  ]
  return [
    ...(halved ? [half()] : []),
    ...shuffled(parts.length, random).flatMap(part => parts[part]!()),
    drawCompression(options.codec, random),
  ]
}

/** The last two, both reductions, keep their order. */
function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = integer(random, i + 1)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  const [a, b] = [order.indexOf(count - 2), order.indexOf(count - 1)]
  if (a > b) [order[a], order[b]] = [order[b]!, order[a]!]
  return order
}

function drawBlur({ isotropic, size: sides, sigma, variance }: BsrganOptions['blur'], random: () => number): DegradationStep {
  const round = random() < isotropic
  const size = drawSide(sides, random)
  const along = round ? uniform(random, sigma) : Math.sqrt(uniform(random, variance))
  const across = round ? along : Math.sqrt(uniform(random, variance))
  const angle = round ? 0 : uniform(random, [0, Math.PI])
  return { op: 'blur', kernel: { shape: 'gaussian', size, sigma: [along, across], angle, beta: 1, shift: 0 } }
}

/** @param left the reduction that is still to be done */
function drawReduction(options: BsrganOptions['reduce'], scale: number, left: number, random: () => number): DegradationStep[] {
  if (random() >= options.nearest) {
    const factor = uniform(random, [1, Math.max(1, left * options.most)])
    return [{ op: 'resize', to: left / scale / factor, method: drawMethod(random) }]
  }
  const sigma = left * uniform(random, options.sigma)
  // Of an even number of pixels none is the middle one: the kernel moves there instead.
  const shift = left % 2 === 0 ? -0.5 : 0
  return [
    { op: 'blur', kernel: { shape: 'gaussian', size: 25, sigma: [sigma, sigma], angle: 0, beta: 1, shift } },
    { op: 'resize', to: 1 / scale, method: 'nearest' },
  ]
}

function drawNoise({ sigma, ...weights }: BsrganOptions['noise'], random: () => number): DegradationStep {
  const colour = pick(random, weights)
  const seed = integer(random, 2 ** 32)
  if (colour !== 'mixed') return { op: 'gaussian-noise', sigma: uniform(random, sigma), colour, seed }
  return { op: 'gaussian-noise', sigma: sigma[1], colour: drawMixture(random), seed }
}

/** Three independent directions of colour with variances of 0 to 1: M = Q √D, so that the covariance of M z is Q D Qᵀ. */
function drawMixture(random: () => number): number[] {
  const normal = normals(random)
  const axes: number[][] = []
  while (axes.length < 3) {
    const axis = [normal(), normal(), normal()]
    for (const other of axes) {
      const overlap = axis.reduce((sum, value, k) => sum + value * other[k]!, 0)
      for (let k = 0; k < 3; k++) axis[k]! -= overlap * other[k]!
    }
    const length = Math.hypot(...axis)
    axes.push(axis.map(value => value / length))
  }
  const deviations = axes.map(() => Math.sqrt(random()))
  return [0, 1, 2].flatMap(colour => axes.map((axis, k) => axis[colour]! * deviations[k]!))
}
