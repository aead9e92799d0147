import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UprezError } from '../../errors.js'
import type { Image } from '../../image/image.js'
import { isGrey, luma } from '../../image/luma.js'
import { psnr, psnrY, ssimY } from '../../image/metrics.js'
import { drawFlat, drawGrey, drawNoise, drawPhoto, fill } from '../support/draw.js'

test('luma has the studio swing of the published tables', () => {
  const y = (...colour: number[]) => luma(drawFlat(1, 1, colour)).data[0]!
  assert.equal(y(0, 0, 0), 16)
  assert.ok(Math.abs(y(255, 255, 255) - 235) < 1e-4)
  assert.ok(Math.abs(y(255, 0, 0) - 81.481) < 1e-4)
  assert.ok(Math.abs(y(0, 255, 0) - 144.553) < 1e-4)
  assert.ok(Math.abs(y(0, 0, 255) - 40.966) < 1e-4)
  assert.equal(y(90), y(90, 90, 90))
  assert.equal(y(90, 90, 90, 3), y(90, 90, 90))
  assert.equal(y(90, 3), y(90))
})

test('a picture is grey where its three colours agree in every pixel', () => {
  assert.ok(isGrey(drawGrey(5, 5)))
  assert.ok(isGrey(drawNoise(5, 5, 2)))
  assert.ok(isGrey(fill(5, 5, 4, (x, y) => [x * y, x * y, x * y, x])))
  for (const c of [0, 1, 2]) {
    assert.ok(!isGrey(fill(5, 5, 3, (x, y) => [7, 7, 7].map((v, i) => (x === 4 && y === 4 && i === c ? 8 : v)))))
  }
})

test('a difference of one step everywhere is 48.13 dB', () => {
  const a = drawFlat(20, 20, [100, 50, 25])
  const b = drawFlat(20, 20, [101, 51, 26])
  assert.ok(Math.abs(psnr(a, b) - 48.1308) < 1e-4)
  const step = (65.481 + 128.553 + 24.966) / 255
  assert.ok(Math.abs(psnrY(a, b, 2) - 20 * Math.log10(255 / step)) < 1e-3)
})

test('equal pictures have no noise and full similarity', () => {
  const a = drawPhoto(30, 20)
  assert.equal(psnr(a, a), Number.POSITIVE_INFINITY)
  assert.equal(psnrY(a, a, 4), Number.POSITIVE_INFINITY)
  assert.ok(Math.abs(ssimY(a, a, 4) - 1) < 1e-12)
})

test('what lies in the shaved border does not count', () => {
  const a = drawPhoto(40, 40)
  const b = fill(40, 40, 3, (x, y) => {
    const border = x < 4 || y < 4 || x >= 36 || y >= 36
    return [...a.data.subarray((y * 40 + x) * 3, (y * 40 + x) * 3 + 3)].map(v => (border ? 255 - v : v))
  })
  assert.equal(psnr(a, b, 4), Number.POSITIVE_INFINITY)
  assert.equal(psnrY(a, b, 4), Number.POSITIVE_INFINITY)
  assert.ok(Math.abs(ssimY(a, b, 4) - 1) < 1e-12)
  assert.ok(psnr(a, b, 3) < 40)
  assert.ok(ssimY(a, b, 3) < 1)
})

test('PSNR and SSIM do not care which picture comes first', () => {
  fc.assert(
    fc.property(fc.integer({ min: 11, max: 30 }), fc.integer({ min: 11, max: 30 }), fc.nat(), (width, height, seed) => {
      const [a, b] = [drawNoise(width, height, 3, seed), drawNoise(width, height, 3, seed + 1)]
      assert.equal(psnr(a, b), psnr(b, a))
      assert.equal(psnrY(a, b, 0), psnrY(b, a, 0))
      assert.ok(Math.abs(ssimY(a, b, 0) - ssimY(b, a, 0)) < 1e-12)
    }),
    { numRuns: 20 },
  )
})

test('SSIM is the mean over all windows of the formula, window by window', () => {
  const [a, b] = [drawPhoto(19, 17, 1), drawNoise(19, 17, 3, 2)]
  assert.ok(Math.abs(ssimY(a, b, 1) - slowSsim(a, b, 1)) < 1e-9)
})

test('pictures that cannot be compared are refused', () => {
  const refused = (run: () => unknown) => assert.throws(run, (e: unknown) => e instanceof UprezError && e.code === 'invalid-option')
  refused(() => psnr(drawNoise(4, 4), drawNoise(4, 5)))
  refused(() => psnrY(drawNoise(4, 4), drawNoise(4, 4, 4), 0))
  refused(() => psnr(drawNoise(8, 8), drawNoise(8, 8), 4))
  refused(() => ssimY(drawNoise(18, 18), drawNoise(18, 18), 4))
})

function slowSsim(a: Image, b: Image, shave: number): number {
  const [ya, yb] = [luma(a).data, luma(b).data]
  const weights: number[] = []
  for (let y = -5; y <= 5; y++) for (let x = -5; x <= 5; x++) weights.push(Math.exp(-(x * x + y * y) / (2 * 1.5 * 1.5)))
  const total = weights.reduce((s, w) => s + w)
  const values: number[] = []
  for (let y = shave + 5; y < a.height - shave - 5; y++) {
    for (let x = shave + 5; x < a.width - shave - 5; x++) {
      const mean = (f: (i: number) => number) =>
        weights.reduce((s, w, k) => s + (w / total) * f((y + Math.floor(k / 11) - 5) * a.width + x + (k % 11) - 5), 0)
      const ma = mean(i => ya[i]!)
      const mb = mean(i => yb[i]!)
      const va = mean(i => (ya[i]! - ma) ** 2)
      const vb = mean(i => (yb[i]! - mb) ** 2)
      const cov = mean(i => (ya[i]! - ma) * (yb[i]! - mb))
      values.push(((2 * ma * mb + 6.5025) * (2 * cov + 58.5225)) / ((ma * ma + mb * mb + 6.5025) * (va + vb + 58.5225)))
    }
  }
  return values.reduce((s, v) => s + v) / values.length
}
