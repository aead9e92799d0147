import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Image } from '../../image/image.js'
import { resize } from '../../image/resize.js'
import { blur } from '../../train/degradations/blur.js'
import { compress } from '../../train/degradations/compress.js'
import { applyDegradation, type DegradationOptions, degradationSchema, drawDegradation } from '../../train/degradations/index.js'
import { type Kernel, makeKernel } from '../../train/degradations/kernels.js'
import { addGaussianNoise, addPoissonNoise } from '../../train/degradations/noise.js'
import { type DegradationStep, describeDegradation, type KernelShape } from '../../train/degradations/plan.js'
import { randomAt } from '../../train/random.js'
import { drawFlat, drawNoise, drawPhoto, fill } from '../support/draw.js'

const bell = (shape: 'gaussian' | 'generalized' | 'plateau', more: object = {}): KernelShape => ({
  ...{ shape, size: 21, sigma: [2.6, 0.9], angle: 0.7, beta: shape === 'gaussian' ? 1 : 1.6, shift: 0 },
  ...more,
})
const sinc = (size: number, cutoff: number): KernelShape => ({ shape: 'sinc', size, cutoff })
const SHAPES: KernelShape[] = [
  bell('gaussian'),
  bell('gaussian', { size: 7, sigma: [0.3, 0.3], angle: 0 }),
  bell('gaussian', { size: 25, sigma: [0.5, 0.5], angle: 0, shift: -0.5 }),
  bell('generalized'),
  bell('generalized', { beta: 0.5, angle: -2 }),
  bell('plateau', { size: 9 }),
  sinc(21, Math.PI / 5),
  sinc(7, 2.5),
]
const KINDS = ['bicubic', 'bsrgan', 'real-esrgan'] as const
const optionsOf = (kind: (typeof KINDS)[number], more: object = {}): DegradationOptions => degradationSchema.parse({ kind, ...more })

test('kernels follow their formulas, sum to 1 and look the same turned by half a circle', () => {
  for (const shape of SHAPES) {
    const { side, weights } = makeKernel(shape)
    const expected = formula(shape)
    assert.equal(weights.length, side * side)
    for (const [i, weight] of weights.entries()) {
      assert.ok(Math.abs(weight - expected[i]!) < 1e-12, `${shape.shape} ${i}: ${weight}, not ${expected[i]}`)
      const opposite = weights[weights.length - 1 - i]!
      if (!('shift' in shape && shape.shift)) assert.ok(Math.abs(weight - opposite) < 1e-14)
    }
    assert.ok(Math.abs(weights.reduce((sum, weight) => sum + weight, 0) - 1) < 1e-12)
  }
})

test('the blur is the plain sum over the square with reflected borders, within a hundredth of a level', () => {
  for (const [width, height] of [
    [1, 1],
    [2, 5],
    [37, 22],
  ] as const) {
    const image = floats(drawNoise(width, height))
    for (const shape of SHAPES) {
      const kernel = makeKernel(shape)
      const [ours, plain] = [blur(image, kernel).data, directSum(image, kernel)]
      const worst = ours.reduce((most, value, i) => Math.max(most, Math.abs(value - plain[i]!)), 0)
      assert.ok(worst < 0.01, `${shape.shape} on ${width}×${height}: ${worst} of 255`)
    }
  }
})

test('noise has the mean, the strength and the correlation between colours that were asked for', () => {
  const grey = () => floats(drawFlat(128, 128, [120, 120, 120]))
  const gaussian = (colour: 'independent' | 'grey' | number[]) =>
    moments(grey(), image => addGaussianNoise(image, { op: 'gaussian-noise', sigma: 10, colour, seed: 5 }))
  const { mean, deviation, correlation } = gaussian('independent')
  assert.ok(Math.abs(mean) < 0.2 && Math.abs(deviation - 10) < 0.2 && Math.abs(correlation) < 0.03)
  assert.ok(gaussian('grey').correlation > 0.9999)
  const [c, s] = [Math.cos(1), Math.sin(1)]
  const mixed = gaussian([c, -0.1 * s, 0, s, 0.1 * c, 0, 0, 0, 1])
  // Red and green: covariance c·s·(1 − 0.01), variances c² + 0.01 s² and s² + 0.01 c².
  const expected = (c * s * 0.99) / Math.sqrt((c * c + 0.01 * s * s) * (s * s + 0.01 * c * c))
  assert.ok(Math.abs(mixed.correlation - expected) < 0.02)

  const poisson = (colour: 'independent' | 'grey', level: number) =>
    moments(floats(drawFlat(128, 128, [level, level, level])), image =>
      addPoissonNoise(image, { op: 'poisson-noise', strength: 2, colour, seed: 9 }),
    )
  for (const level of [120, 10]) {
    const shot = poisson('independent', level)
    // A count of mean λ has variance λ; a level is 256/255 photons.
    const expected = 2 * Math.sqrt((level * 255) / 256)
    assert.ok(Math.abs(shot.deviation - expected) < 0.03 * expected, `${level}: ${shot.deviation}, not ${expected}`)
    assert.ok(Math.abs(shot.mean) < 0.3)
  }
  assert.ok(poisson('grey', 120).correlation > 0.9999)
})

test('compression leaves the blocks of its codec, fewer of them at a higher quality', async () => {
  const photo = drawPhoto(128, 128)
  for (const op of ['jpeg', 'webp'] as const) {
    const [poor, good] = [await compress(photo, { op, quality: 5 }), await compress(photo, { op, quality: 95 })]
    assert.deepEqual([poor.width, poor.height, poor.channels], [128, 128, 3])
    assert.ok(distance(poor, photo) > 2 * distance(good, photo))
  }
  const blocky = await compress(photo, { op: 'jpeg', quality: 5 })
  const [before, after] = [stepsAtBlocks(photo), stepsAtBlocks(blocky)]
  assert.ok(after > 2 * before, `${before} → ${after}`)
})

test('what is drawn stays inside the options, and the last size is 1/scale', () => {
  const within = (value: number, [least, most]: readonly [number, number], what: string) =>
    assert.ok(value >= least - 1e-12 && value <= most + 1e-12, `${what}: ${value} outside ${least}…${most}`)
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(1, 2, 3, 4), fc.constantFrom(...KINDS), (seed, scale, kind) => {
      const plan = drawDegradation(optionsOf(kind), scale, randomAt(seed))
      for (const step of plan) {
        if (step.op === 'jpeg' || step.op === 'webp') within(step.quality, [30, 95], step.op)
        else if (step.op === 'gaussian-noise') within(step.sigma, [1, 30], step.op)
        else if (step.op === 'poisson-noise') within(step.strength, [0.05, 3], step.op)
        else if (step.op === 'resize') within(step.to, [0.15 / 4, 1.5], step.op)
        else if (step.op === 'blur') checkKernel(step.kernel)
      }
      assert.equal(plan.filter(({ op }) => op === 'resize').at(-1)?.op, 'resize')
      assert.equal((plan.findLast(({ op }) => op === 'resize') as { to: number }).to, 1 / scale)
      assert.ok(describeDegradation(plan).length > 0)
      assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan)
    }),
    { seed: 1, numRuns: 500 },
  )

  function checkKernel(kernel: KernelShape): void {
    within(kernel.size, [7, 25], 'size')
    assert.equal(kernel.size % 2, 1)
    if (kernel.shape === 'sinc') within(kernel.cutoff, [Math.PI / (kernel.size < 13 ? 3 : 5), Math.PI], 'cutoff')
    else {
      for (const sigma of kernel.sigma) within(sigma, [0.025, 3], 'sigma')
      within(kernel.beta, [0.5, 4], 'beta')
    }
  }
})

test('everything that Real-ESRGAN draws from comes up, as often as its options say', () => {
  const draws = 4000
  const counts: Record<string, number> = {}
  const count = (name: string) => {
    counts[name] = (counts[name] ?? 0) + 1 / draws
  }
  for (let i = 0; i < draws; i++) {
    const plan = drawDegradation(optionsOf('real-esrgan', { first: { compression: { webpShare: 0.25 } } }), 4, randomAt(3, i))
    const [first] = plan as [Extract<DegradationStep, { op: 'blur' }>]
    count(first.kernel.shape)
    if ('angle' in first.kernel && first.kernel.angle !== 0) count(`slanted ${first.kernel.shape}`)
    const noise = plan.find(step => step.op === 'gaussian-noise' || step.op === 'poisson-noise')!
    count(noise.op)
    if (noise.colour === 'grey') count('grey')
    count(`first ${plan.find(step => step.op === 'jpeg' || step.op === 'webp')!.op}`)
    count(`last ${plan.at(-1)!.op === 'jpeg' ? 'compression' : 'filter'}`)
    count(`${plan.filter(step => step.op === 'blur').length} blurs`)
  }
  const expected = {
    ...{ sinc: 0.1, gaussian: 0.63, generalized: 0.135, plateau: 0.135, 'slanted gaussian': 0.225, 'slanted plateau': 0.027 },
    ...{ 'gaussian-noise': 0.5, grey: 0.4, 'first webp': 0.25, 'last compression': 0.5 },
    ...{ '1 blurs': 0.2 * 0.2, '2 blurs': 0.8 * 0.2 + 0.2 * 0.8, '3 blurs': 0.8 * 0.8 },
  }
  for (const [name, share] of Object.entries(expected)) {
    assert.ok(Math.abs(counts[name]! - share) < 4 * Math.sqrt((share * (1 - share)) / draws), `${name}: ${counts[name]}, not ${share}`)
  }
})

test('BSRGAN shuffles its parts, reduces in the right order and compresses last', () => {
  const orders = new Set<string>()
  for (let i = 0; i < 300; i++) {
    const plan = drawDegradation(optionsOf('bsrgan'), 4, randomAt(1, i))
    orders.add(plan.map(({ op }) => op).join())
    assert.equal(plan.at(-1)!.op, 'jpeg')
    const sizes = plan.flatMap(step => (step.op === 'resize' ? [step.to] : []))
    assert.equal(sizes.at(-1), 1 / 4)
  }
  assert.ok(orders.size > 100, `${orders.size} orders`)
})

test('a share of clean samples is only reduced by bicubic', async () => {
  const plans = Array.from({ length: 400 }, (_, i) => drawDegradation(optionsOf('real-esrgan', { clean: 0.3 }), 2, randomAt(2, i)))
  const clean = plans.filter(plan => plan.length === 1)
  assert.ok(Math.abs(clean.length / plans.length - 0.3) < 0.08)
  const photo = drawPhoto(32, 24)
  const low = await applyDegradation(clean[0]!, photo)
  assert.deepEqual(low, resize(photo, { width: 16, height: 12, kernel: 'bicubic' }))
})

test('the same seed makes the same bytes, another seed others, at every scale', async () => {
  const photo = drawPhoto(48, 36)
  for (const kind of KINDS) {
    for (const scale of [1, 2, 3, 4]) {
      const low = (seed: number) => applyDegradation(drawDegradation(optionsOf(kind), scale, randomAt(seed)), photo)
      const [a, again, b] = [await low(1), await low(1), await low(2)]
      assert.deepEqual([a.width, a.height, a.channels], [48 / scale, 36 / scale, 3])
      assert.deepEqual(again, a)
      if (kind !== 'bicubic') assert.notDeepEqual(b.data, a.data)
    }
  }
})

test('no degradation moves the picture', async () => {
  // What rounding and codecs add to a slope they add to its mirror image too; a shift raises one and lowers the other.
  const step = 2.2
  const rising = fill(96, 96, 3, (x, y) => [20 + step * x, 20 + step * y, 128])
  const falling = fill(96, 96, 3, (x, y) => [20 + step * (95 - x), 20 + step * (95 - y), 128])
  const still = { noise: { sigma: [0, 0], strength: [0, 0] }, compression: { jpeg: [100, 100] } }
  const calm = {
    bsrgan: { noise: { sigma: [0, 0] }, codec: { jpeg: [100, 100] } },
    'real-esrgan': { first: still, second: still },
  }
  for (const kind of ['bsrgan', 'real-esrgan'] as const) {
    const options = optionsOf(kind, calm[kind])
    for (const scale of [2, 3, 4]) {
      for (let seed = 0; seed < 12; seed++) {
        const plan = drawDegradation(options, scale, randomAt(seed, scale))
        const [up, down] = [middle(await applyDegradation(plan, rising)), middle(await applyDegradation(plan, falling))]
        const shifts = up.map((level, c) => (level - down[c]!) / 2 / step)
        assert.ok(
          shifts.every(pixels => Math.abs(pixels) < 0.2),
          `${shifts} pixels of the original by ${describeDegradation(plan)}`,
        )
      }
    }
  }
})

test('options outside their bounds are refused', () => {
  const wrong = [
    { kind: 'real-esrgan', first: { blur: { size: [8, 20] } } },
    { kind: 'real-esrgan', first: { blur: { shapes: Object.fromEntries(SHAPE_NAMES.map(name => [name, 0])) } } },
    { kind: 'real-esrgan', second: { resize: { factors: [1.1, 1.2] } } },
    { kind: 'real-esrgan', first: { noise: { sigma: [30, 1] } } },
    { kind: 'bsrgan', noise: { independent: 0, grey: 0, mixed: 0 } },
    { kind: 'bsrgan', halfe: 0.5 },
    { kind: 'blur' },
  ]
  for (const options of wrong) assert.equal(degradationSchema.safeParse(options).success, false, JSON.stringify(options))
})

const SHAPE_NAMES = ['isotropic', 'anisotropic', 'generalizedIsotropic', 'generalizedAnisotropic', 'plateauIsotropic', 'plateauAnisotropic']

function floats(image: Image): Image<Float32Array> {
  return { ...image, data: Float32Array.from(image.data) }
}

/** The formulas once more, with the covariance matrix inverted and J₁ as its power series. */
function formula(shape: KernelShape): number[] {
  const half = (shape.size - 1) / 2
  const values: number[] = []
  for (let y = -half; y <= half; y++) {
    for (let x = -half; x <= half; x++) {
      if (shape.shape === 'sinc') {
        const r = Math.hypot(x, y)
        values.push(r === 0 ? shape.cutoff ** 2 / (4 * Math.PI) : (shape.cutoff * besselJ1(shape.cutoff * r)) / (2 * Math.PI * r))
        continue
      }
      const { sigma, angle, beta, shift } = shape
      const [c, s] = [Math.cos(angle), Math.sin(angle)]
      const [v1, v2] = [sigma[0] ** 2, sigma[1] ** 2]
      const [a, b, d] = [c * c * v1 + s * s * v2, c * s * (v1 - v2), s * s * v1 + c * c * v2]
      const [u, v] = [x - shift, y - shift]
      const q = (d * u * u - 2 * b * u * v + a * v * v) / (a * d - b * b)
      values.push(shape.shape === 'plateau' ? 1 / (1 + q ** beta) : Math.exp(-0.5 * q ** beta))
    }
  }
  const sum = values.reduce((total, value) => total + value, 0)
  return values.map(value => value / sum)
}

/** Σ (−1)^k (x/2)^(2k+1) / (k! (k+1)!): x stays below 12 here, where the series loses few digits. */
function besselJ1(x: number): number {
  let term = x / 2
  let sum = term
  for (let k = 1; k < 80; k++) {
    term *= -((x / 2) ** 2) / (k * (k + 1))
    sum += term
  }
  return sum
}

function directSum({ data, width, height }: Image<Float32Array>, { side, weights }: Kernel): number[] {
  const reach = (side - 1) / 2
  const reflect = (i: number, n: number): number => (n === 1 ? 0 : i < 0 ? reflect(-i, n) : i >= n ? reflect(2 * n - 2 - i, n) : i)
  return Array.from(data, (_, at) => {
    const [c, x, y] = [at % 3, Math.floor(at / 3) % width, Math.floor(at / 3 / width)]
    let sum = 0
    for (let j = 0; j < side; j++) {
      for (let i = 0; i < side; i++) {
        sum += weights[j * side + i]! * data[(reflect(y + j - reach, height) * width + reflect(x + i - reach, width)) * 3 + c]!
      }
    }
    return sum
  })
}

/** Of what `change` adds: mean, standard deviation, and the correlation of red and green. */
function moments(image: Image<Float32Array>, change: (image: Image<Float32Array>) => void) {
  const before = image.data.slice()
  change(image)
  const added = image.data.map((value, i) => value - before[i]!)
  const of = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length
  const mean = of(added)
  const channel = (c: number) => added.filter((_, i) => i % 3 === c)
  const product = (a: Float32Array, b: Float32Array) => of(a.map((value, i) => value * b[i]!)) - of(a) * of(b)
  const [red, green] = [channel(0), channel(1)]
  return {
    mean,
    deviation: Math.sqrt(of(added.map(value => (value - mean) ** 2))),
    correlation: product(red, green) / Math.sqrt(product(red, red) * product(green, green)),
  }
}

function distance(a: Image, b: Image): number {
  return a.data.reduce((sum, value, i) => sum + (value - b.data[i]!) ** 2, 0)
}

/** How much larger steps of green between columns are at multiples of 8 than elsewhere. */
function stepsAtBlocks({ data, width, height }: Image): number {
  const sums = [0, 0]
  for (let y = 0; y < height; y++) {
    for (let x = 1; x < width; x++) {
      const step = Math.abs(data[(y * width + x) * 3 + 1]! - data[(y * width + x - 1) * 3 + 1]!)
      sums[x % 8 === 0 ? 0 : 1]! += x % 8 === 0 ? step * 7 : step
    }
  }
  return sums[0]! / sums[1]!
}

/** Mean red and green of the middle. */
function middle({ data, width, height }: Image): number[] {
  const rim = Math.floor(width / 3)
  const sums = [0, 0]
  for (let y = rim; y < height - rim; y++) {
    for (let x = rim; x < width - rim; x++) for (const c of [0, 1]) sums[c]! += data[(y * width + x) * 3 + c]!
  }
  return sums.map(sum => sum / ((width - 2 * rim) * (height - 2 * rim)))
}
