import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitAggd, logGamma, meanOfAggd } from '../../image/aggd.js'
import type { Image } from '../../image/image.js'
import { luma } from '../../image/luma.js'
import { fitPristine, niqe, pristineBlocks } from '../../image/niqe.js'
import { blockFeatures } from '../../image/niqe-features.js'
import { PRISTINE } from '../../image/niqe-model.js'
import { resize } from '../../image/resize.js'
import { eigenSymmetric } from '../../image/symmetric.js'
import { drawFlat, drawPhoto, fill, random } from '../support/draw.js'

test('the logarithm of the gamma function has its known values', () => {
  for (const [x, gamma] of [
    [0.2, 4.590843711998803],
    [0.5, Math.sqrt(Math.PI)],
    [1, 1],
    [2.5, 0.75 * Math.sqrt(Math.PI)],
    [5, 24],
    [15, 87178291200],
  ] as const) {
    assert.ok(Math.abs(logGamma(x) - Math.log(gamma)) < 1e-12, `Γ(${x})`)
  }
})

test('the asymmetric generalised Gaussian fit recovers what the samples were drawn from', () => {
  for (const truth of [
    { shape: 0.5, left: 0.3, right: 0.2 },
    { shape: 1, left: 1, right: 1 },
    { shape: 2, left: 0.5, right: 1.5 },
    { shape: 4, left: 2, right: 2 },
  ]) {
    const samples = drawAggd(truth, 200_000)
    const fitted = fitAggd(samples)
    for (const name of ['shape', 'left', 'right'] as const) {
      assert.ok(Math.abs(fitted[name] / truth[name] - 1) < 0.05, `${name} ${fitted[name]}, drawn from ${truth[name]}`)
    }
    const mean = samples.reduce((sum, x) => sum + x, 0) / samples.length
    assert.ok(Math.abs(meanOfAggd(fitted) - mean) < 0.02, `mean ${meanOfAggd(fitted)}, of the samples ${mean}`)
  }
})

test('features do not see brightness, and turning the picture over swaps rows for columns', () => {
  const plane = luma(drawPhoto(96, 96, 3))
  const [block] = blockFeatures(plane)
  const [brighter] = blockFeatures({ ...plane, data: plane.data.map(value => value + 8) })
  close(brighter!.values, block!.values, 1e-3)
  const turned = plane.data.map((_, i) => plane.data[(i % 96) * 96 + Math.floor(i / 96)]!)
  const [other] = blockFeatures({ ...plane, data: turned })
  const swapped = [0, 18].flatMap(s => [0, 1, 6, 7, 8, 9, 2, 3, 4, 5, ...range(10, 18)].map(i => block!.values[s + i]!))
  close(other!.values, swapped, 1e-3)
  assert.ok(Math.abs(other!.sharpness - block!.sharpness) < 1e-4)
})

test('only whole blocks with some texture count', () => {
  const photo = drawPhoto(230, 200, 2)
  assert.equal(blockFeatures(luma(photo)).length, 4)
  assert.equal(niqe(photo, 60), null)
  assert.equal(niqe(drawFlat(200, 200, [90, 90, 90])), null)
  assert.notEqual(niqe(photo, 4), null)
  assert.equal(niqe(photo, 4), niqe(shaved(photo, 4)))
})

test('a fit takes the sharp blocks, and gives the same numbers every time', () => {
  const half = drawPhoto(192, 96, 1)
  const soft = fill(192, 96, 3, (x, y) => [0, 1, 2].map(c => (x < 96 ? half.data[(y * 192 + x) * 3 + c]! : 128 + ((x + y) & 1))))
  assert.equal(pristineBlocks(soft).length, 1)
  const fit = () => fitPristine([1, 2, 3].flatMap(seed => pristineBlocks(drawPhoto(192, 192, seed))))
  assert.deepEqual(fit(), fit())
  assert.deepEqual([fit().mean.length, fit().covariance.length], [36, 666])
})

test('the fitted model is one: 36 means and a positive covariance', () => {
  assert.deepEqual([PRISTINE.mean.length, PRISTINE.covariance.length], [36, 666])
  const rows = Array.from({ length: 36 }, () => new Float64Array(36))
  let k = 0
  for (let i = 0; i < 36; i++) for (let j = i; j < 36; j++) rows[i]![j] = rows[j]![i] = PRISTINE.covariance[k++]!
  assert.ok(eigenSymmetric(rows).values.every(value => value > 0))
})

test('NIQE rises with blur, noise and blocks', () => {
  for (const seed of [1, 3]) {
    // Reduced as the photographs of the fit were: detail down to the pixel.
    const photo = resize(drawPhoto(600, 588, seed), { width: 300, height: 294, kernel: 'bicubic' })
    const clean = niqe(photo, 2)!
    assert.ok(clean < 8, `${clean} for the picture itself`)
    for (const [what, change] of Object.entries({ blurred, noisy, blocky })) {
      const [some, more] = [1, 2].map(amount => niqe(change(photo, amount), 2)!)
      assert.ok(clean < some! && some! < more!, `${what}: ${clean}, ${some}, ${more}`)
    }
  }
})

const blurred = (image: Image, amount: number) => {
  const small = resize(image, { width: image.width >> amount, height: image.height >> amount, kernel: 'bicubic' })
  return resize(small, { width: image.width, height: image.height, kernel: 'bicubic' })
}

function noisy(image: Image, amount: number): Image {
  const next = random(7)
  const noise = () => 12 * 2 ** amount * (next() + next() - 1)
  return { ...image, data: image.data.map(value => Math.min(255, Math.max(0, value + noise()))) }
}

/** Part of every 8×8 block replaced by its mean, as a hard JPEG does. */
function blocky({ data, width, height, channels }: Image, amount: number): Image {
  const keep = amount === 1 ? 0.3 : 0.1
  return fill(width, height, 3, (x, y) =>
    [0, 1, 2].map(c => {
      const [left, top] = [x - (x % 8), y - (y % 8)]
      let [sum, count] = [0, 0]
      for (let j = top; j < Math.min(top + 8, height); j++)
        for (let i = left; i < Math.min(left + 8, width); i++, count++) sum += data[(j * width + i) * channels + c]!
      return keep * data[(y * width + x) * channels + c]! + ((1 - keep) * sum) / count
    }),
  )
}

function shaved(image: Image, border: number): Image {
  const [w, h] = [image.width - 2 * border, image.height - 2 * border]
  return fill(w, h, 3, (x, y) => {
    const at = ((y + border) * image.width + x + border) * 3
    return [...image.data.subarray(at, at + 3)]
  })
}

/** |x| is a power of a gamma variable (Marsaglia & Tsang 2000), the side is chosen by the scales. */
function drawAggd({ shape, left, right }: { shape: number; left: number; right: number }, count: number): Float64Array {
  const next = random(11)
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  const gamma = (k: number): number => {
    if (k < 1) return gamma(k + 1) * (1 - next()) ** (1 / k)
    const [d, c] = [k - 1 / 3, 1 / Math.sqrt(9 * k - 3)]
    for (;;) {
      const x = normal()
      const v = (1 + c * x) ** 3
      if (v > 0 && Math.log(1 - next()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
    }
  }
  return Float64Array.from({ length: count }, () => {
    const below = next() < left / (left + right)
    return (below ? -left : right) * gamma(1 / shape) ** (1 / shape)
  })
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}

function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  for (let i = 0; i < expected.length; i++) {
    assert.ok(
      Math.abs(actual[i]! - expected[i]!) <= tolerance * (1 + Math.abs(expected[i]!)),
      `number ${i}: ${actual[i]}, not ${expected[i]}`,
    )
  }
}
