import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UprezError } from '../../errors.js'
import { fromHalf } from '../../half.js'
import type { Port } from '../../models/card.js'
import { packWindow, unpackWindow } from '../../runtime/ports.js'
import { deepen, drawFlat, drawNoise, fill } from '../support/draw.js'

const port = (over: Partial<Port> = {}): Port => ({
  name: 'input',
  channels: 3,
  order: 'RGB',
  layout: 'NCHW',
  type: 'float32',
  range: [0, 1],
  ...over,
})

const colourPorts = fc.record({
  order: fc.constantFrom('RGB', 'BGR'),
  layout: fc.constantFrom('NCHW', 'NHWC'),
  typeAndRange: fc.constantFrom<Pick<Port, 'type' | 'range'>>(
    { type: 'float32', range: [0, 1] },
    { type: 'float32', range: [-1, 1] },
    { type: 'float32', range: [0, 255] },
    { type: 'uint8', range: [0, 255] },
  ),
})

test('what is packed for a port and unpacked from it is the same picture', () => {
  fc.assert(
    fc.property(
      colourPorts,
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 20 }),
      ({ order, layout, typeAndRange }, width, height) => {
        const p = port({ order: order as Port['order'], layout: layout as Port['layout'], ...typeAndRange })
        const image = drawNoise(width, height)
        const packed = packWindow(image, p)
        assert.deepEqual(packed.dims, layout === 'NCHW' ? [1, 3, height, width] : [1, height, width, 3])
        assert.deepEqual(unpackWindow(packed.data, width, height, p), image)
      },
    ),
  )
})

test('the canonical port gets planes of R, G and B in [0, 1]', () => {
  const image = fill(2, 1, 3, x => (x === 0 ? [255, 51, 0] : [0, 102, 255]))
  assert.deepEqual([...packWindow(image, port()).data], [1, 0, 51 / 255, 102 / 255, 0, 1].map(Math.fround))
  assert.deepEqual([...packWindow(image, port({ order: 'BGR', layout: 'NHWC', range: [0, 255] })).data], [0, 51, 255, 255, 102, 0])
})

test("bytes in the window's own layout are passed on uncopied", () => {
  const p = port({ type: 'uint8', layout: 'NHWC', range: [0, 255] })
  const image = drawNoise(3, 2)
  assert.equal(packWindow(image, p).data, image.data)
  assert.equal(unpackWindow(image.data, 3, 2, p).data, image.data)
})

test('values are clamped and rounded half up', () => {
  const values = Float32Array.of(-0.5, 0.49 / 255, 0.51 / 255, 127.5 / 255, 254.6 / 255, 3, Number.NaN, 1, 0)
  assert.deepEqual([...unpackWindow(values, 3, 1, port({ layout: 'NHWC' })).data], [0, 0, 1, 128, 255, 255, 0, 255, 0])
})

test('a grey model gets one plane and its answer comes back as grey', () => {
  const p = port({ channels: 1, order: 'Y' })
  const packed = packWindow(drawFlat(2, 2, [51, 51, 51]), p)
  assert.deepEqual([...packed.dims, ...packed.data], [1, 1, 2, 2, ...new Array(4).fill(Math.fround(0.2))])
  assert.deepEqual(unpackWindow(packed.data, 2, 2, p), drawFlat(2, 2, [51, 51, 51]))
})

test('half floats go in and come back as their bits, or as such where the platform has them', () => {
  for (const range of [
    [0, 1],
    [0, 255],
    [-1, 1],
  ] as [number, number][]) {
    const p = port({ type: 'float16', range })
    const picture = drawNoise(7, 5)
    const packed = packWindow(picture, p)
    assert.ok(packed.data instanceof Uint16Array)
    assert.deepEqual(unpackWindow(packed.data, 7, 5, p), picture)
    assert.deepEqual(unpackWindow(Array.from(packed.data, fromHalf), 7, 5, p), picture)
  }
})

test('16 bits go in and come back as they are, wherever the port is finer than they', () => {
  for (const over of [{}, { range: [-1, 1] }, { layout: 'NHWC', order: 'BGR', range: [0, 255] }] as Partial<Port>[]) {
    const picture = deepen(drawNoise(9, 7))
    const packed = packWindow(picture, port(over))
    assert.deepEqual(unpackWindow(packed.data, 9, 7, port(over), picture.data), picture)
  }
  const ends = { data: Uint16Array.of(0, 65_535, 1), width: 1, height: 1, channels: 3 }
  assert.deepEqual([...packWindow(ends, port()).data], [0, 1, Math.fround(1 / 65_535)])
  const values = Float32Array.of(-1, 0.49 / 65_535, 0.51 / 65_535, 65_534.6 / 65_535, 3, Number.NaN)
  assert.deepEqual([...unpackWindow(values, 2, 1, port({ layout: 'NHWC' }), ends.data).data], [0, 0, 1, 65_535, 65_535, 0])
})

test('16 bits go through a port of bytes with the precision of bytes', () => {
  const p = port({ type: 'uint8', layout: 'NHWC', range: [0, 255] })
  const packed = packWindow(deepen(drawNoise(5, 4)), p)
  assert.ok(packed.data instanceof Uint8Array)
  const back = unpackWindow(packed.data, 5, 4, p, new Uint16Array())
  assert.deepEqual(
    back.data,
    Uint16Array.from(packed.data, byte => byte * 257),
  )
})

test('what a port cannot carry is refused', () => {
  const refused = (code: string, run: () => unknown) => assert.throws(run, (e: unknown) => e instanceof UprezError && e.code === code)
  refused('invalid-option', () => packWindow(drawFlat(1, 1, [1, 2, 3]), port({ channels: 1, order: 'Y' })))
  refused('model-mismatch', () => unpackWindow(new Float32Array(4), 1, 1, port()))
})
