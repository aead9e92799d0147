import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Image } from '../../image/image.js'
import { constantIn, fillTransparent, flatRadius, keepFlatAlpha } from '../../runtime/alpha.js'
import { drawNoise, fill, random } from '../support/draw.js'

const sides = fc.integer({ min: 1, max: 30 })

/** Grey + alpha: grey is the pixel's number (so that a colour names where it came from), a share of the pixels is visible. */
function scattered(width: number, height: number, share: number, seed: number): Image {
  const next = random(seed)
  return fill(width, height, 2, (x, y) => [(y * width + x) % 256, next() < share ? 1 + 254 * next() : 0])
}

test('every transparent pixel gets the colour of a visible one that is nearest, or within a tenth of a pixel of it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 16 }),
      fc.integer({ min: 1, max: 16 }),
      fc.constantFrom(0.01, 0.1, 0.6),
      fc.nat(),
      (width, height, share, seed) => {
        const image = scattered(width, height, share, seed)
        const filled = fillTransparent(image)
        const visible = Array.from({ length: width * height }, (_, p) => p).filter(p => image.data[p * 2 + 1] !== 0)
        const apart = (p: number, q: number) => Math.hypot((p % width) - (q % width), Math.floor(p / width) - Math.floor(q / width))
        for (let p = 0; p < width * height; p++) {
          assert.equal(filled.data[p * 2 + 1], image.data[p * 2 + 1])
          if (visible.length === 0) assert.equal(filled.data[p * 2], image.data[p * 2])
          else assert.ok(apart(p, filled.data[p * 2]!) <= Math.min(...visible.map(q => apart(p, q))) + 0.1)
          if (visible.length > 0) assert.ok(visible.includes(filled.data[p * 2]!))
        }
      },
    ),
  )
})

test('a picture with nothing to fill is not copied', () => {
  for (const image of [drawNoise(5, 5, 1), drawNoise(5, 5, 3), fill(5, 5, 4, () => [9, 9, 9, 1]), fill(5, 5, 4, () => [9, 9, 9, 0])]) {
    assert.equal(fillTransparent(image), image)
  }
})

test('a region is constant where its sample is, and the part outside the picture does not count', () => {
  const image = fill(10, 8, 2, (x, y) => [x, y < 4 ? 5 : 6])
  assert.equal(constantIn(image, 1, { x: -3, y: -3, width: 20, height: 7 }), 5)
  assert.equal(constantIn(image, 1, { x: 2, y: 4, width: 3, height: 9 }), 6)
  assert.equal(constantIn(image, 1, { x: 2, y: 3, width: 1, height: 2 }), undefined)
  assert.equal(constantIn(image, 0, { x: 2, y: 0, width: 1, height: 8 }), 2)
  assert.equal(constantIn(image, 0, { x: 2, y: 0, width: 2, height: 1 }), undefined)
})

test('flat alpha is taken over exactly where all pixels around are equal, and nowhere else', () => {
  fc.assert(
    fc.property(sides, sides, fc.integer({ min: 1, max: 4 }), fc.nat(), (width, height, scale, seed) => {
      const next = random(seed)
      const changes = new Set(Array.from({ length: 3 }, () => Math.floor(next() * width * height)))
      const image = fill(width, height, 2, (x, y) => [0, changes.has(y * width + x) || x > width / 2 ? 200 : 10])
      const alpha = (x: number, y: number) => image.data[(y * width + x) * 2 + 1]!
      const flat = (x: number, y: number) => {
        for (let j = Math.max(0, y - flatRadius); j <= Math.min(height - 1, y + flatRadius); j++) {
          for (let i = Math.max(0, x - flatRadius); i <= Math.min(width - 1, x + flatRadius); i++)
            if (alpha(i, j) !== alpha(x, y)) return false
        }
        return true
      }
      const out = fill(width * scale, height * scale, 2, () => [7, 77])
      keepFlatAlpha(image, out, scale, 1)
      const expected = fill(width * scale, height * scale, 2, (x, y) => {
        const [i, j] = [Math.floor(x / scale), Math.floor(y / scale)]
        return [7, flat(i, j) ? alpha(i, j) : 77]
      })
      assert.deepEqual(out, expected)
    }),
  )
})
