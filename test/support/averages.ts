import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { type EngineName, type Tf, useEngine } from '../../nets/engine.js'
import { bicubicPair } from '../../train/pairs.js'
import { makeRecipe } from '../../train/recipes/index.js'
import { validate } from '../../train/validate.js'
import { drawPhoto, random } from './draw.js'
import { smallRun } from './recipes.js'

/** Generators with batch norms. */
export const WITH_BATCH_NORM = {
  srresnet: { network: { kind: 'srresnet', channels: 4, blocks: 1, norm: 'batch' } },
  'encoder-decoder': { network: { kind: 'encoder-decoder', channels: 4, depth: 1 } },
}

/** What is validated of a generator with batch norms, on every engine; one test file calls this for one. */
export function testAverages(engine: EngineName, { skip }: { skip: string | false }): void {
  let tf: Tf
  before(async () => {
    if (!skip) tf = await useEngine(engine)
  })

  for (const [kind, options] of Object.entries(WITH_BATCH_NORM)) {
    test(`${engine}, ${kind}: validated is the network of the averaged weights and the averaged statistics`, { skip }, async () => {
      const config = smallRun('none', { ...options, engine, 'optimizer.learningRate': 1e-2, 'schedule.warmup': 0 })
      const { data, scale, ema } = config
      const recipe = await makeRecipe(tf, config)
      const { generator } = recipe.networks
      const held = () => generator!.getWeights().map(weight => Array.from(weight.dataSync()))
      const next = random(1)
      const draw = (length: number, limit: number) => Float32Array.from({ length }, () => limit * next())
      const pictures = (side: number, limit: number) => draw(data.batch * side ** 2 * 3, limit)
      // Starting kernels are so small that hardly a statistic differs from 0.
      tf.tidy(() => {
        const lively = ({ size, shape, rank }: TF.Tensor) => tf.sub(tf.tensor(draw(size, 2), shape), rank === 4 ? 1 : 0)
        generator!.setWeights(generator!.getWeights().map(lively))
      })
      recipe.optimizers.generator!.restart()

      // By hand: each number of the network, statistics as well, with the same decay.
      let averages = held()
      for (let step = 1; step <= 4; step++) {
        const tensors = tf.memory().numTensors
        await recipe.step([{ low: pictures(data.patch, step), high: pictures(data.patch * scale, 1) }], step)
        assert.equal(tf.memory().numTensors, tensors)
        const decay = Math.min(ema, (1 + step) / (10 + step))
        const now = held()
        averages = averages.map((values, i) => values.map((value, j) => decay * value + (1 - decay) * now[i]![j]!))
      }

      const trained = held()
      const kept = await recipe.optimizers.generator!.withAverage(async () => held())
      for (const [i, values] of kept.entries()) {
        for (const [j, value] of values.entries()) {
          const { originalName } = generator!.weights[i]!
          assert.ok(Math.abs(value - averages[i]![j]!) < 1e-5, `${originalName} ${j}: ${value}, ${averages[i]![j]} by hand`)
        }
      }

      const pairs = [bicubicPair(drawPhoto(32, 24, 1), scale)]
      const scoreOf = async (weights: number[][]) => {
        const network = (await makeRecipe(tf, config)).networks.generator!
        tf.tidy(() => network.setWeights(network.getWeights().map(({ shape }, i) => tf.tensor(weights[i]!, shape))))
        return (await validate(tf, network, pairs, scale))['PSNR-Y']!
      }
      const score = (await recipe.validate(pairs, () => {}))['PSNR-Y']!
      assert.ok(Math.abs(score - (await scoreOf(averages))) < 1e-3)
      const isStatistic = (i: number) => generator!.weights[i]!.originalName.includes('moving_')
      const mixed = averages.map((values, i) => (isStatistic(i) ? trained[i]! : values))
      assert.ok(Math.abs(score - (await scoreOf(mixed))) > 1e-2, 'the statistics of the last step would do as well')
      assert.deepEqual(held(), trained)
    })
  }
}
