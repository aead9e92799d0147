import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { largestDifference } from '../../export/verify.js'
import { useEngine } from '../../nets/engine.js'
import { openFeatures } from '../../nets/features/features.js'
import { askTorch, readFloats, withoutTorch } from '../support/torch.js'
import { temporaryFolder } from '../support/training.js'

test("the feature loss sees a VGG19 that PyTorch wrote as PyTorch does, if the file's name holds its sha256", {
  skip: withoutTorch,
}, async t => {
  const tf = await useEngine('wasm')
  const folder = await temporaryFolder()
  const file = join(folder, askTorch('vgg19', folder) as string)
  const layers = { conv1_2: 1, relu2_1: 1, conv5_4: 1, relu5_4: 1 }
  const features = await openFeatures(tf, { network: 'vgg19', file, layers })
  const planes = tf.tensor4d(await readFloats(join(folder, 'image.input')), [1, 3, 40, 56])
  for (const [name, map] of Object.entries(features.features(tf.transpose(planes, [0, 2, 3, 1])))) {
    const expected = await readFloats(join(folder, `${name}.output`))
    const got = tf.transpose(map, [0, 3, 1, 2]).dataSync()
    assert.equal(got.length, expected.length)
    const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const difference = largestDifference(expected, got)
    t.diagnostic(`${name}: difference ${difference.toExponential(1)} of ${size.toFixed(1)}`)
    assert.ok(size > 0.1 && difference <= 1e-5 * size, `${name}: ${difference} of ${size}`)
  }

  const other = join(folder, 'vgg19-00000000.pth')
  await cp(file, other)
  await assert.rejects(openFeatures(tf, { network: 'vgg19', file: other, layers }), { code: 'invalid-weights', expected: '00000000' })
})
