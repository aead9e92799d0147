import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LIMITS, readLimits } from '../../infer/limits.js'

describe('limits', () => {
  it('come from the caller, else the environment, else the default', () => {
    assert.deepEqual(readLimits({}, {}), {
      maxInputPixels: LIMITS.maxInputPixels.fallback,
      maxOutputPixels: LIMITS.maxOutputPixels.fallback,
    })
    const environment = { UPREZ_MAX_INPUT_PIXELS: '5000', UPREZ_MAX_OUTPUT_PIXELS: ' ' }
    assert.equal(readLimits({}, environment).maxInputPixels, 5000)
    assert.equal(readLimits({}, environment).maxOutputPixels, LIMITS.maxOutputPixels.fallback)
    assert.equal(readLimits({ maxInputPixels: 7 }, environment).maxInputPixels, 7)
  })

  for (const text of ['many', '0', '-1', '1.5', '1e99']) {
    it(`refuse ${text}, naming the variable`, () => {
      assert.throws(() => readLimits({}, { UPREZ_MAX_INPUT_PIXELS: text }), {
        code: 'invalid-option',
        param: 'UPREZ_MAX_INPUT_PIXELS',
        got: text,
      })
    })
  }
})
