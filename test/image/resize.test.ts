import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UprezError } from '../../errors.js'
import type { Image } from '../../image/image.js'
import { type ResizeKernel, resize } from '../../image/resize.js'
import { drawFlat, drawNoise, drawPhoto, fill } from '../support/draw.js'

/** Those that imresize has too. */
type MatlabKernel = Exclude<ResizeKernel, 'area'>
const kernels: MatlabKernel[] = ['box', 'bilinear', 'bicubic', 'lanczos3']
const sides = fc.integer({ min: 1, max: 24 })

test("every kernel computes what MATLAB's imresize writes down, in both orders of the passes", () => {
  fc.assert(
    fc.property(
      sides,
      sides,
      sides,
      sides,
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom(...kernels),
      fc.boolean(),
      (w, h, width, height, channels, kernel, antialias) => {
        const image = floats(drawNoise(w, h, channels, w * 31 + h))
        const actual = resize(image, { width, height, kernel, antialias })
        const expected = imresize(image, width, height, kernel, antialias)
        assert.equal(actual.data.length, expected.length)
        for (let i = 0; i < expected.length; i++)
          assert.ok(Math.abs(actual.data[i]! - expected[i]!) < 1e-6, `${i}: ${actual.data[i]} ${expected[i]}`)
      },
    ),
    { numRuns: 200 },
  )
})

test('bytes and 16-bit samples are the float result, clamped and rounded', () => {
  fc.assert(
    fc.property(sides, sides, fc.constantFrom(...kernels), (width, height, kernel) => {
      const image = drawNoise(13, 9)
      const exact = imresize(image, width, height, kernel, true)
      const wide: Image<Uint16Array> = { ...image, data: Uint16Array.from(image.data, v => v * 257) }
      const near = (data: Uint8Array | Uint16Array, white: number, gain: number) => {
        for (const [i, v] of data.entries()) {
          const value = Math.min(white, Math.max(0, exact[i]! * gain))
          assert.ok(Math.abs(v - value) < 0.5 + 1e-6, `${v} instead of ${value}`)
        }
      }
      near(resize(image, { width, height, kernel }).data, 255, 1)
      near(resize(wide, { width, height, kernel }).data, 65535, 257)
    }),
    { numRuns: 60 },
  )
})

test('bicubic of a step overshoots as a = −0.5 worked out by hand does', () => {
  const step: Image = { data: Uint8Array.of(0, 0, 0, 200, 200, 200), width: 6, height: 1, channels: 1 }
  assert.deepEqual([...resize(step, { width: 12, height: 1, kernel: 'bicubic' }).data], [0, 0, 0, 0, 0, 41, 159, 214, 205, 200, 200, 200])
})

test('halves are rounded up', () => {
  const pair: Image = { data: Uint8Array.of(0, 1, 2, 3), width: 4, height: 1, channels: 1 }
  assert.deepEqual([...resize(pair, { width: 2, height: 1, kernel: 'box' }).data], [1, 3])
})

test('one colour stays that colour at every size', () => {
  fc.assert(
    fc.property(
      sides,
      sides,
      sides,
      sides,
      fc.constantFrom(...kernels),
      fc.integer({ min: 0, max: 255 }),
      (w, h, width, height, kernel, value) => {
        const colour = [value, 255 - value, 7, 255]
        assert.deepEqual(resize(drawFlat(w, h, colour), { width, height, kernel }), drawFlat(width, height, colour))
      },
    ),
  )
})

test('the same size is a copy', () => {
  const image = drawNoise(5, 4)
  const same = resize(image, { width: 5, height: 4, kernel: 'bicubic' })
  assert.deepEqual(same, image)
  assert.notEqual(same.data, image.data)
})

test('channels do not touch each other', () => {
  const image = drawNoise(11, 7, 4)
  const options = { width: 17, height: 5, kernel: 'lanczos3' } as const
  const together = resize(image, options)
  for (let c = 0; c < 4; c++) {
    const alone = resize(
      fill(11, 7, 1, (x, y) => [image.data[(y * 11 + x) * 4 + c]!]),
      options,
    )
    assert.deepEqual(
      alone.data,
      together.data.filter((_, i) => i % 4 === c),
    )
  }
})

test('a mirrored picture gives the mirrored result', () => {
  const image = drawPhoto(40, 30)
  const options = { width: 13, height: 70, kernel: 'bicubic' } as const
  assert.deepEqual(mirrored(resize(image, options)), resize(mirrored(image), options))
})

test('a box makes each pixel of a quarter the mean of its four', () => {
  const image: Image<Float32Array> = { data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), width: 4, height: 2, channels: 1 }
  assert.deepEqual([...resize(image, { width: 2, height: 1, kernel: 'box' }).data], [3.5, 5.5])
})

test('area weighs each pixel by how much of it is covered', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (a, b) => {
      const [from, to] = [Math.max(a, b), Math.min(a, b)]
      const row = floats(drawNoise(from, 1, 1))
      const ours = resize(row, { width: to, height: 1, kernel: 'area' }).data
      for (let x = 0; x < to; x++) {
        const [left, right] = [(x * from) / to, ((x + 1) * from) / to]
        const covered = (i: number) => Math.max(0, Math.min(i + 1, right) - Math.max(i, left))
        const sum = row.data.reduce((total, value, i) => total + value * covered(i), 0)
        assert.ok(Math.abs(ours[x]! - (sum * to) / from) < 1e-6)
      }
    }),
    { numRuns: 100 },
  )
})

test('a size that is no positive whole number is refused', () => {
  for (const width of [0, -1, 1.5, Number.NaN]) {
    assert.throws(
      () => resize(drawNoise(2, 2), { width, height: 2, kernel: 'box' }),
      (e: unknown) => e instanceof UprezError && e.code === 'invalid-option' && e.param === 'width',
    )
  }
})

/** MATLAB's imresize, word for word and slowly: `contributions`, then one side after the other. Not rounded. */
function imresize(
  image: Image<Uint8Array | Float32Array>,
  width: number,
  height: number,
  kernel: MatlabKernel,
  antialias: boolean,
): Float64Array {
  const { channels } = image
  let { width: w, height: h } = image
  let data = Float64Array.from(image.data)
  const columns = () => {
    const next = new Float64Array(width * h * channels)
    contributions(w, width, kernel, antialias).forEach((taps, x) => {
      for (let y = 0; y < h; y++)
        for (let c = 0; c < channels; c++)
          for (const [i, weight] of taps) next[(y * width + x) * channels + c]! += weight * data[(y * w + i) * channels + c]!
    })
    data = next
    w = width
  }
  const rows = () => {
    const next = new Float64Array(w * height * channels)
    contributions(h, height, kernel, antialias).forEach((taps, y) => {
      for (let x = 0; x < w * channels; x++)
        for (const [i, weight] of taps) next[y * w * channels + x]! += weight * data[i * w * channels + x]!
    })
    data = next
    h = height
  }
  if (height / h <= width / w) {
    rows()
    columns()
  } else {
    columns()
    rows()
  }
  return data
}

function contributions(inLength: number, outLength: number, kernel: MatlabKernel, antialias: boolean): [index: number, weight: number][][] {
  const scale = outLength / inLength
  const narrow = antialias && scale < 1 ? scale : 1
  const kernelWidth = { box: 1, bilinear: 2, bicubic: 4, lanczos3: 6 }[kernel] / narrow
  return Array.from({ length: outLength }, (_, k) => {
    const u = (k + 1) / scale + 0.5 * (1 - 1 / scale)
    const left = Math.floor(u - kernelWidth / 2)
    const taps = Array.from({ length: Math.ceil(kernelWidth) + 2 }, (_, j): [number, number] => [
      left + j,
      narrow * kernelAt(kernel, narrow * (u - left - j)),
    ])
    const sum = taps.reduce((s, [, weight]) => s + weight, 0)
    return taps.map(([index, weight]) => {
      const m = (((index - 1) % (2 * inLength)) + 2 * inLength) % (2 * inLength)
      return [m < inLength ? m : 2 * inLength - 1 - m, weight / sum]
    })
  })
}

function kernelAt(kernel: MatlabKernel, x: number): number {
  const a = Math.abs(x)
  if (kernel === 'box') return x >= -0.5 && x < 0.5 ? 1 : 0
  if (kernel === 'bilinear') return a < 1 ? 1 - a : 0
  if (kernel === 'lanczos3')
    return a < 3 ? (Math.sin(Math.PI * x) * Math.sin((Math.PI * x) / 3) + 2 ** -52) / ((Math.PI ** 2 * x * x) / 3 + 2 ** -52) : 0
  if (a <= 1) return 1.5 * a ** 3 - 2.5 * a ** 2 + 1
  return a <= 2 ? -0.5 * a ** 3 + 2.5 * a ** 2 - 4 * a + 2 : 0
}

const floats = (image: Image): Image<Float32Array> => ({ ...image, data: Float32Array.from(image.data, v => v / 255) })

const mirrored = (image: Image): Image =>
  fill(image.width, image.height, 3, (x, y) => {
    const i = (y * image.width + image.width - 1 - x) * 3
    return [...image.data.subarray(i, i + 3)]
  })
