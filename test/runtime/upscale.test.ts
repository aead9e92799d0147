import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UprezError } from '../../errors.js'
import type { Image } from '../../image/image.js'
import { isGrey } from '../../image/luma.js'
import { resize } from '../../image/resize.js'
import type { Infer } from '../../runtime/infer.js'
import { upscale } from '../../runtime/upscale.js'
import { deepen, drawAlpha, drawFlat, drawGrey, drawNoise, drawPhoto, fill } from '../support/draw.js'
import { blockwise, cardWith, convolution, nearest } from './models.js'

const sides = fc.integer({ min: 1, max: 60 })

test('tiled equals whole, bit for bit, where the halo covers the receptive field', async () => {
  await fc.assert(
    fc.asyncProperty(sides, sides, fc.integer({ min: 5, max: 40 }), fc.integer({ min: 2, max: 3 }), async (width, height, tile, scale) => {
      const image = drawNoise(width, height, 3, width * 61 + height)
      const whole = await convolution(scale)(copy(image))
      assert.deepEqual(await upscale(image, cardWith({ scale }), convolution(scale), { tile }), whole)
    }),
    { numRuns: 40 },
  )
})

test('a halo smaller than the receptive field shows: the equality above is no accident', async () => {
  const image = drawNoise(50, 50)
  const tiled = await upscale(image, cardWith({ halo: 1 }), convolution(2), { tile: 20 })
  assert.notDeepEqual(tiled, await convolution(2)(copy(image)))
})

test('a model of one channel takes each colour by itself, and grey once', async () => {
  const port = { name: 'x', channels: 1, order: 'Y', layout: 'NCHW', type: 'float32', range: [0, 1] as [number, number] } as const
  const model = { file: 'model.onnx', sha256: '0'.repeat(64), bytes: 1, input: port, output: port }
  let windows = 0
  const grey: Infer = async window => {
    windows++
    assert.ok(isGrey(window))
    return nearest(2)(window)
  }
  const photo = drawPhoto(21, 13)
  assert.deepEqual(await upscale(photo, cardWith({ model }), grey), await nearest(2)(copy(photo)))
  assert.equal(windows, 3)
  await upscale(drawGrey(21, 13), cardWith({ model }), grey)
  assert.equal(windows, 4)
})

test('a model that wants a multiple gets repeated edges, and tiles in step with its grid', async () => {
  await fc.assert(
    fc.asyncProperty(sides, sides, fc.integer({ min: 2, max: 5 }), async (width, height, m) => {
      const image = drawNoise(width, height, 3, 5)
      const padded = fill(Math.ceil(width / m) * m, Math.ceil(height / m) * m, 3, (x, y) =>
        pixel(image, Math.min(x, width - 1), Math.min(y, height - 1)),
      )
      const whole = await blockwise(2, m)(padded)
      const expected = fill(width * 2, height * 2, 3, (x, y) => pixel(whole, x, y))
      for (const tile of [0, 4 * m])
        assert.deepEqual(await upscale(image, cardWith({ sizeMultiple: m, halo: 1 }), blockwise(2, m), { tile }), expected)
    }),
    { numRuns: 20 },
  )
})

test('a model of one fixed size takes smaller and larger pictures', async () => {
  const card = cardWith({ fixedSize: { width: 16, height: 12 } })
  const infer: Infer = window => {
    assert.deepEqual([window.width, window.height], [16, 12])
    return nearest(2)(window)
  }
  for (const [width, height] of [
    [5, 5],
    [16, 12],
    [40, 5],
    [41, 37],
  ] as const) {
    const image = drawNoise(width, height)
    assert.deepEqual(await upscale(image, card, infer), await nearest(2)(copy(image)))
  }
})

test('as many channels come back as went in', async () => {
  for (const channels of [1, 2, 3, 4]) {
    const result = await upscale(drawNoise(20, 10, channels), cardWith(), nearest(2), { tile: 8 })
    assert.deepEqual([result.width, result.height, result.channels, result.data.length], [40, 20, channels, 800 * channels])
  }
})

test('grey stays exactly grey through a model that tints', async () => {
  const tint: Infer = async window => {
    const result = await nearest(2)(window)
    for (let i = 0; i < result.data.length; i += 3) result.data[i] = Math.min(255, result.data[i]! + 9)
    return result
  }
  const grey = drawGrey(30, 20)
  const rgb = fill(30, 20, 3, (x, y) => [0, 0, 0].fill(grey.data[y * 30 + x]!))
  const one = await upscale(grey, cardWith(), tint, { tile: 12 })
  const three = await upscale(rgb, cardWith(), tint, { tile: 12, scale: 1.7 })
  assert.equal(one.channels, 1)
  assert.ok(isGrey(three))
  assert.ok(!isGrey(await upscale(drawPhoto(30, 20), cardWith(), tint)))
})

test('grey comes through an honest model unchanged', async () => {
  const grey = drawGrey(31, 23)
  const expected = fill(62, 46, 1, (x, y) => pixel(grey, x >> 1, y >> 1))
  assert.deepEqual(await upscale(grey, cardWith(), nearest(2), { tile: 10 }), expected)
})

test('constant alpha costs no tile and stays as it is', async () => {
  for (const alpha of [0, 77, 255]) {
    const image = fill(24, 24, 4, (x, y) => [x * 9, y * 9, 40, alpha])
    let windows = 0
    const counted: Infer = window => {
      windows++
      return convolution(2)(window)
    }
    const result = await upscale(image, cardWith(), counted, { scale: 3 })
    assert.equal(windows, 1)
    assert.ok(result.data.every((value, i) => i % 4 !== 3 || value === alpha))
  }
})

test('the colour under transparent pixels does not bleed into what is visible', async () => {
  const picture = drawAlpha(60, 60, 4)
  const hide = (colour: number[]) => fill(60, 60, 4, (x, y) => (pixel(picture, x, y)[3] === 0 ? [...colour, 0] : pixel(picture, x, y)))
  const smooth: Infer = async window => resize(window, { width: window.width * 2, height: window.height * 2, kernel: 'bicubic' })
  const magenta = await upscale(hide([255, 0, 255]), cardWith(), smooth, { tile: 30 })
  const black = await upscale(hide([0, 0, 0]), cardWith(), smooth, { tile: 30 })
  assert.deepEqual(magenta, black)
})

test('the colour of a visible shape goes on under the transparent pixels around it', async () => {
  const disc = fill(40, 40, 4, (x, y) => (Math.hypot(x - 20, y - 20) < 9 ? [200, 30, 60, 255] : [0, 255, 0, 0]))
  const result = await upscale(disc, cardWith(), nearest(2))
  for (let i = 0; i < result.data.length; i += 4) assert.deepEqual([...result.data.subarray(i, i + 3)], [200, 30, 60])
})

test('opaque and transparent regions keep their alpha exactly, whatever the model does to flat ones', async () => {
  const dim: Infer = async window => {
    const result = await nearest(2)(window)
    return { ...result, data: result.data.map(v => (v > 128 ? v - 3 : v + 3)) }
  }
  const image = fill(50, 40, 4, x => [90, 90, 200, x < 25 ? 0 : 255])
  for (const tile of [0, 14]) {
    const result = await upscale(image, cardWith(), dim, { tile })
    for (let x = 0; x < 100; x++) {
      const alpha = pixel(result, x, 17)[3]
      if (x < 46) assert.equal(alpha, 0)
      if (x >= 54) assert.equal(alpha, 255)
    }
  }
})

test('alpha is tiled without a seam', async () => {
  const image = drawNoise(45, 33, 4)
  const whole = await upscale(image, cardWith(), convolution(2))
  assert.deepEqual(await upscale(image, cardWith(), convolution(2), { tile: 11 }), whole)
})

test("another scale or size than the model's is a final resize of the model's answer", async () => {
  const image = drawPhoto(40, 30)
  const own = await upscale(image, cardWith(), convolution(2))
  const resized = (width: number, height: number) => resize(own, { width, height, kernel: 'lanczos3' })
  assert.deepEqual(await upscale(image, cardWith(), convolution(2), { scale: 2 }), own)
  assert.deepEqual(await upscale(image, cardWith(), convolution(2), { scale: 3.3 }), resized(132, 99))
  assert.deepEqual(await upscale(image, cardWith(), convolution(2), { width: 50 }), resized(50, 38))
  assert.deepEqual(await upscale(image, cardWith(), convolution(2), { width: 50, height: 10 }), resized(50, 10))
})

test('16 bits stay 16 bits: in tiles, in each kind of picture, through symmetries and the final resize', async () => {
  const kinds = [drawGrey(40, 30), drawNoise(40, 30, 2), drawPhoto(40, 30), drawNoise(40, 30, 4)].map(image => deepen(image))
  for (const image of kinds) {
    // What is wholly transparent would get another colour.
    for (const [i, value] of image.data.entries()) image.data[i] = Math.max(1, value)
    const expected = { ...image, data: new Uint16Array(80 * 60 * image.channels), width: 80, height: 60 }
    for (let i = 0; i < expected.data.length; i++) {
      const [c, p] = [i % image.channels, Math.floor(i / image.channels)]
      expected.data[i] = image.data[(Math.floor(p / 160) * 40 + ((p % 80) >> 1)) * image.channels + c]!
    }
    for (const options of [{}, { tile: 14 }, { tta: true }]) {
      assert.deepEqual(await upscale(image, cardWith(), nearest(2), options), expected)
    }
    const resized = await upscale(image, cardWith(), nearest(2), { width: 50 })
    assert.deepEqual(resized, resize(expected, { width: 50, height: 38, kernel: 'lanczos3' }))
  }
})

test('in 16 bits, too, opaque and transparent stay, and colour under transparency does not bleed', async () => {
  const disc = fill(40, 40, 4, (x, y) => (Math.hypot(x - 20, y - 20) < 9 ? [200, 30, 60, 255] : [0, 255, 0, 0]))
  const deep = { ...disc, data: Uint16Array.from(disc.data, value => value * 257) }
  const dim = async (window: Image<Uint16Array>) => {
    const result = await nearest(2)(window)
    return { ...result, data: result.data.map(v => (v > 32_768 ? v - 700 : v + 700)) }
  }
  const { data } = await upscale(deep, cardWith(), dim)
  assert.deepEqual([data[3], data[(40 * 80 + 40) * 4 + 3]], [0, 65_535])
  for (let i = 0; i < data.length; i += 4) assert.deepEqual([...data.subarray(i, i + 3)], [200 * 257 - 700, 30 * 257 + 700, 60 * 257 + 700])
})

test('progress begins at 0, never falls back and ends at the total', async () => {
  const seen: number[] = []
  const totals = new Set<number>()
  const onProgress = ({ done, total }: { done: number; total: number }) => {
    seen.push(done)
    totals.add(total)
  }
  await upscale(drawAlpha(64, 64), cardWith(), nearest(2), { tile: 20, concurrency: 3, onProgress })
  assert.equal(totals.size, 1)
  assert.deepEqual(
    seen,
    Array.from({ length: [...totals][0]! + 1 }, (_, i) => i),
  )
})

test('no more windows are under way than asked for, and as many as that', async () => {
  for (const concurrency of [1, 2, 5]) {
    let now = 0
    let most = 0
    const infer: Infer = async window => {
      most = Math.max(most, ++now)
      await new Promise(resolve => setImmediate(resolve))
      now--
      return nearest(2)(window)
    }
    await upscale(drawPhoto(60, 60), cardWith(), infer, { tile: 16, concurrency })
    assert.equal(most, concurrency)
  }
})

test('an abort stops between tiles', async () => {
  const signal = { aborted: false }
  let windows = 0
  const infer: Infer = window => {
    if (++windows === 3) signal.aborted = true
    return nearest(2)(window)
  }
  await assert.rejects(upscale(drawPhoto(80, 80), cardWith(), infer, { tile: 16, concurrency: 1, signal }), code('aborted'))
  assert.equal(windows, 3)
})

test('an abort during the last tile counts', async () => {
  const signal = { aborted: false }
  const infer: Infer = window => {
    signal.aborted = true
    return nearest(2)(window)
  }
  await assert.rejects(upscale(drawPhoto(8, 8), cardWith(), infer, { signal }), code('aborted'))
})

test('an error of the model comes out as it is, and no further tile starts', async () => {
  let windows = 0
  const broken: Infer = async window => {
    if (++windows === 4) throw new UprezError('engine-crashed', 'gone')
    return nearest(2)(window)
  }
  await assert.rejects(upscale(drawPhoto(90, 90), cardWith(), broken, { tile: 16, concurrency: 2 }), code('engine-crashed'))
  assert.ok(windows <= 5)
})

test('a model whose answer has another size than its card says is refused', async () => {
  await assert.rejects(upscale(drawPhoto(8, 8), cardWith({ scale: 4 }), nearest(2)), code('model-mismatch'))
  const short: Infer = async window => ({ ...(await nearest(2)(window)), data: new Uint8Array(3) })
  await assert.rejects(upscale(drawPhoto(8, 8), cardWith(), short), code('model-mismatch'))
})

test('a window may be transferred away', async () => {
  const infer: Infer = window =>
    nearest(2)({ ...window, data: structuredClone(window.data, { transfer: [window.data.buffer as ArrayBuffer] }) })
  const image = drawPhoto(30, 30)
  assert.deepEqual(await upscale(image, cardWith(), infer), await nearest(2)(copy(image)))
})

test('the picture given stays as it was', async () => {
  const image = drawAlpha(30, 30)
  const before = copy(image)
  await upscale(image, cardWith(), convolution(2))
  assert.deepEqual(image, before)
})

test('a picture whose bytes do not fit its size is refused', async () => {
  await assert.rejects(upscale({ ...drawFlat(4, 4, [1, 2, 3]), width: 5 }, cardWith(), nearest(2)), code('invalid-option'))
})

const copy = (image: Image): Image => ({ ...image, data: image.data.slice() })

const pixel = ({ data, width, channels }: Image, x: number, y: number) => [
  ...data.subarray((y * width + x) * channels, (y * width + x + 1) * channels),
]

const code = (expected: string) => (thrown: unknown) => thrown instanceof UprezError && thrown.code === expected
