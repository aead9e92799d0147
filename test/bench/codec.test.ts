import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeByHand, encodeByHand } from '../../bench/codec.js'
import { encode } from '../../infer/encode.js'
import { decode } from '../../infer/files.js'
import { drawPhoto } from '../support/draw.js'

for (const format of ['png', 'jpg'] as const) {
  test(`the hand-written loop reads and writes the very bytes of the engine: ${format}`, async () => {
    const picture = drawPhoto(120, 90)
    const ours = await encode(picture, format, undefined, {})
    assert.ok(ours.equals(await encodeByHand(picture, format)))
    const { image } = await decode(ours, { maxInputPixels: 1e6 })
    const byHand = await decodeByHand(ours)
    assert.equal(byHand.channels, 3)
    assert.deepEqual(Buffer.from(byHand.data), Buffer.from(image.data))
  })
}
