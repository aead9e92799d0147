import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UprezError } from '../../errors.js'
import { targetSize } from '../../runtime/size.js'

const image = { width: 101, height: 50 }

test("the model's scale is the default", () => {
  assert.deepEqual(targetSize(image, 4), { width: 404, height: 200 })
})

test('a scale rounds half up, and no side becomes nothing', () => {
  assert.deepEqual(targetSize(image, 4, { scale: 2.5 }), { width: 253, height: 125 })
  assert.deepEqual(targetSize(image, 4, { scale: 0.001 }), { width: 1, height: 1 })
})

test('one side keeps the proportions, two are taken as they are', () => {
  assert.deepEqual(targetSize(image, 4, { width: 202 }), { width: 202, height: 100 })
  assert.deepEqual(targetSize(image, 4, { height: 25 }), { width: 51, height: 25 })
  assert.deepEqual(targetSize(image, 4, { width: 7, height: 9 }), { width: 7, height: 9 })
})

test('the longest side is met exactly, the other follows', () => {
  assert.deepEqual(targetSize(image, 4, { longest: 202 }), { width: 202, height: 100 })
  assert.deepEqual(targetSize({ width: 50, height: 101 }, 4, { longest: 33 }), { width: 16, height: 33 })
  assert.deepEqual(targetSize({ width: 9000, height: 1 }, 4, { longest: 10 }), { width: 10, height: 1 })
})

test('what makes no size is refused under the name of the option', () => {
  const refused = (options: object, param: string) =>
    assert.throws(
      () => targetSize(image, 4, options),
      (e: unknown) => e instanceof UprezError && e.code === 'invalid-option' && e.param === param,
    )
  for (const scale of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) refused({ scale }, 'scale')
  refused({ scale: 2, width: 10 }, 'scale')
  refused({ width: 0 }, 'width')
  for (const longest of [0, 1.5, Number.NaN]) refused({ longest }, 'longest')
  for (const other of [{ scale: 2 }, { width: 5 }, { height: 5 }]) refused({ longest: 10, ...other }, 'longest')
  refused({ width: 10, height: 1.5 }, 'height')
})
