import assert from 'node:assert/strict'
import { test } from 'node:test'
import { channelShift, consistency, gridPower, gridRatio } from '../../image/checks.js'
import type { Image } from '../../image/image.js'
import { resize } from '../../image/resize.js'
import { drawFlat, drawNoise, drawPhoto, fill } from '../support/draw.js'

const original = drawPhoto(192, 160, 3)

test('what keeps to its low side goes back to it, what does not falls below', () => {
  const low = resize(original, { width: 48, height: 40, kernel: 'bicubic' })
  assert.equal(consistency(original, low), Number.POSITIVE_INFINITY)
  // The finest checkerboard vanishes in the reduction; a coarse pattern stays.
  assert.ok(
    consistency(
      planted(original, 6, (x, y) => (-1) ** (x + y)),
      low,
    ) > 40,
  )
  assert.ok(
    consistency(
      planted(original, 6, x => Math.sin(x / 9)),
      low,
    ) < 36.5,
  )
})

test('a tint is told channel by channel, a change that keeps the means is not', () => {
  const inside = (image: Image) => ({ ...image, data: image.data.map(value => 20 + value * 0.8) })
  const tinted = { ...inside(original), data: inside(original).data.map((value, i) => value + [2, 0, -3][i % 3]!) }
  assert.deepEqual(channelShift(tinted, inside(original)), [2, 0, -3])
  assert.deepEqual(
    channelShift(
      planted(drawFlat(64, 64, [100, 100, 100]), 9, x => (-1) ** x),
      drawFlat(64, 64, [100, 100, 100]),
    ),
    [0, 0, 0],
  )
  assert.throws(() => channelShift(drawFlat(2, 2, [1, 1, 1]), drawFlat(2, 3, [1, 1, 1])), { code: 'invalid-option' })
})

for (const scale of [2, 3, 4]) {
  test(`×${scale}: a grid of its own period is caught however weak, other patterns and clean enlargements pass`, () => {
    const ratio = (image: Image, to = original) => gridRatio([gridPower(image, scale)], [gridPower(to, scale)])
    assert.equal(ratio(original), 1)
    const low = resize(original, { width: 192 / scale, height: Math.floor(160 / scale), kernel: 'bicubic' })
    const high = fill(192, low.height * scale, 3, (x, y) => [...original.data.subarray((y * 192 + x) * 3, (y * 192 + x) * 3 + 3)])
    for (const kernel of ['bilinear', 'bicubic', 'lanczos3'] as const)
      assert.ok(ratio(resize(low, { width: 192, height: low.height * scale, kernel }), high) <= 1.05, kernel)

    const cell = (x: number, y: number) => (x % scale === 0 && y % scale === 0 ? 1 : -1 / (scale * scale - 1))
    assert.ok(ratio(planted(original, 4, cell)) > 1.3, `${ratio(planted(original, 4, cell))} for a dot in every cell`)
    const columns = (x: number) => Math.cos((2 * Math.PI * x) / scale)
    assert.ok(ratio(planted(original, 2, columns)) > 1.3, 'columns')
    // Its sign follows the picture, so that it averages out over the whole.
    const turning = (x: number, y: number) => columns(x) * (Math.sin(x / 15 + y / 20) > 0 ? 1 : -1)
    assert.ok(ratio(planted(original, 3, turning)) > 1.3, 'columns of changing sign')
    assert.ok(ratio(planted(original, 3, (x, y) => Math.sin(x / 5 + y / 7))) < 1.05, 'a slow wave')
  })
}

test('white noise has the power of its variance at every frequency; flat pictures are alike', () => {
  const noise = drawNoise(256, 256, 1, 4)
  // Luma of grey has 219/255 of its range; uniform bytes have a variance of (256² − 1)/12.
  const variance = ((256 ** 2 - 1) / 12) * (219 / 255) ** 2
  const power = gridPower(noise, 4)
  assert.equal(power.length, 9)
  const mean = power.reduce((sum, value) => sum + value, 0) / power.length
  assert.ok(Math.abs(mean / variance - 1) < 0.1, `${mean}, variance ${variance}`)
  const flat = (value: number) => gridPower(drawFlat(64, 64, [value, value, value]), 4)
  assert.ok(Math.abs(gridRatio([flat(10)], [flat(200)]) - 1) < 1e-6)
  assert.deepEqual(gridPower(drawNoise(20, 90), 4), Array(9).fill(0))
})

function planted(image: Image, amount: number, wave: (x: number, y: number) => number): Image {
  const { data, width, height } = image
  return fill(width, height, 3, (x, y) => {
    const at = (y * width + x) * 3
    return [...data.subarray(at, at + 3)].map(value => value + amount * wave(x, y))
  })
}
