import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { useEngine } from '../../nets/engine.js'
import { saveModel } from '../../nets/model-files.js'
import { type Evaluation, openLosses } from '../../train/losses/generator.js'
import { lossesSchema } from '../../train/losses/options.js'
import { agreesWithDifferences, filled, numbers } from '../support/differences.js'
import { sampleNetwork } from '../support/losses.js'
import { temporaryFolder } from '../support/training.js'

const home = await temporaryFolder()
const tf = await useEngine('wasm')
const shape: [number, number, number, number] = [2, 9, 8, 3]
const output = filled(tf, shape, 1) as TF.Variable<TF.Rank.R4>
const target = tf.tensor4d(numbers(shape, 2), shape)
const network = join(home, 'sample')
await saveModel(sampleNetwork(tf), network)
const feature = { network: 'model', file: network, layers: { conv: 1, last: 0.5 } }

const open = (options: object, critic?: TF.LayersModel) => openLosses(tf, lossesSchema.parse(options), 2, critic)

async function module(name: string, text: string): Promise<string> {
  const path = join(home, name)
  await writeFile(path, text)
  return path
}

function valuesOf({ total, parts }: Evaluation): { total: number; parts: Record<string, number> } {
  const numbers = Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.dataSync()[0]!]))
  return { total: total.dataSync()[0]!, parts: numbers }
}

test('the total is the sum of the losses that have a weight, each by name with its weight, and so is the gradient', async () => {
  const own = await module('own.mjs', 'export default (tf, output, target) => tf.sub(output, target).square().max()')
  const options = {
    pixel: { weight: 2, luma: 0.5 },
    frequency: { weight: 0.1 },
    grid: { weight: 3 },
    variation: { weight: 0.3 },
    feature: { ...feature, weight: 0.7 },
    texture: { weight: 4 },
    module: { path: own, weight: 0.2 },
  }
  const losses = await open(options)
  const reference = losses.reference(target)
  const { total, parts } = valuesOf(losses.evaluate(output, reference, 0.5))
  assert.deepEqual(Object.keys(parts), ['pixel-l1', 'frequency', 'grid', 'variation', 'feature', 'texture', 'module'])
  assert.ok(Math.abs(total - Object.values(parts).reduce((sum, part) => sum + part, 0)) < 1e-4 * total)
  agreesWithDifferences(tf, output, () => losses.evaluate(output, reference, 0.5).total)

  for (const [name, weight] of Object.entries({ feature: 0.7, texture: 4, frequency: 0.1, grid: 3 })) {
    const group = { ...options[name as 'feature' | 'texture' | 'frequency' | 'grid'], weight: 1 }
    const alone = await open({ feature, pixel: { weight: 0 }, [name]: group })
    const part = valuesOf(alone.evaluate(output, alone.reference(target), 0.5)).parts
    assert.deepEqual(Object.keys(part), [name])
    assert.ok(Math.abs(part[name]! * weight - parts[name]!) < 1e-5 * parts[name]!, name)
  }
})

test('the pixel loss becomes the squared one in the last part of a run', async () => {
  const losses = await open({ pixel: { kind: 'charbonnier', l2From: 0.8 } })
  const names = [0.1, 0.8, 0.81, 1].map(progress => Object.keys(losses.evaluate(output, losses.reference(target), progress).parts)[0])
  assert.deepEqual(names, ['pixel-charbonnier', 'pixel-charbonnier', 'pixel-l2', 'pixel-l2'])
})

test('a loss without weight costs nothing: what it would need is not even looked for', async () => {
  const nowhere = join(home, 'nowhere')
  const losses = await open({
    feature: { weight: 0, network: 'vgg19', file: nowhere },
    module: { path: nowhere, weight: 0 },
    pixel: { weight: 0 },
  })
  assert.deepEqual(valuesOf(losses.evaluate(output, losses.reference(target), 0)), { total: 0, parts: {} })
  assert.equal(losses.featureLoss, null)
})

test('the parts outlive the gradient, and nothing else does', async () => {
  const losses = await open({ feature: { ...feature, weight: 1 }, texture: { weight: 1 } })
  const before = tf.memory().numTensors
  const made = tf.tidy(() => {
    const reference = losses.reference(target)
    let parts: Evaluation['parts'] = {}
    const { value } = tf.variableGrads(() => {
      const evaluation = losses.evaluate(output, reference, 0)
      parts = evaluation.parts
      return evaluation.total
    }, [output])
    value.dispose()
    return parts
  })
  assert.ok(Object.values(made).every(part => Number.isFinite(part.dataSync()[0])))
  tf.dispose(made)
  assert.equal(tf.memory().numTensors, before)
})

test('the critic in training can be the network whose features are compared', async () => {
  const critic = sampleNetwork(tf)
  const losses = await open({ feature: { network: 'critic', weight: 1, layers: { norm: 1 } }, pixel: { weight: 0 } }, critic)
  const value = () => valuesOf(losses.evaluate(output, losses.reference(target), 0)).total
  const before = value()
  const [gamma, ...others] = critic.getLayer('norm').getWeights()
  critic.getLayer('norm').setWeights([gamma!.mul(3), ...others])
  assert.ok(Math.abs(value() - 3 * before) < 1e-4 * before, 'it is looked at as it is now')
  assert.equal(losses.featureLoss, 'the critic in training; norm before activation × 1; l1; weight 1, of Gram matrices 0')
  assert.ok(
    critic.trainableWeights.every(weight => weight.trainable),
    'it can still be trained',
  )
})

test('a loss of one’s own that cannot be used says why', async () => {
  const refused = async (path: string, message: RegExp) => {
    const run = async () => {
      const losses = await open({ module: { path } })
      losses.evaluate(output, losses.reference(target), 0)
    }
    await assert.rejects(run(), { code: 'invalid-module', param: 'losses.module.path', message })
  }
  await refused(join(home, 'missing.mjs'), /missing\.mjs: it cannot be loaded: Cannot find module/)
  await refused(await module('broken.mjs', 'export default ('), /it cannot be loaded/)
  await refused(await module('named.mjs', 'export const loss = () => 0'), /no default export that is a function/)
  await refused(
    await module('map.mjs', 'export default (tf, a, b) => tf.sub(a, b)'),
    /the loss returned a tensor \[2,9,8,3\], not a scalar/,
  )
  await refused(await module('number.mjs', 'export default () => 1'), /the loss returned number, not a scalar/)
  await refused(await module('later.mjs', 'export default async () => 1'), /the loss returned a promise, not a scalar/)
})

test('misspelt and impossible options of the losses are refused', () => {
  const refused = (options: object) => assert.equal(lossesSchema.safeParse(options).success, false)
  refused({ pixle: {} })
  refused({ pixel: { weight: -1 } })
  refused({ feature: { network: 'vgg16' } })
  refused({ feature: { layers: ['conv5_4'] } })
  refused({ gan: { clip: 0 } })
  refused({ module: {} })
})
