import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../nets/engine.js'
import { makeGenerator } from '../nets/generator.js'
import { type Adam, createAdam, trainableVariables } from './adam.js'
import type { Batch } from './batches.js'
import type { Config } from './config.js'
import { pixelLoss } from './losses.js'
import { learningRateAt } from './schedule.js'

/**
 * What the loop needs of a training method: its networks and optimizers by name (a checkpoint is all of them),
 * one step, and which network is exported. Plain data and functions, so that one network or four fit alike.
 */
export interface Recipe {
  networks: Record<string, TF.LayersModel>
  /** One per network, under the same name. */
  optimizers: Record<string, Adam>
  /** Trains on one batch; steps count from 1. Resolves to what is logged, losses first. */
  step(batch: Batch, step: number): Promise<Record<string, number>>
  /** Name of the network that is validated, sampled and exported. */
  exportable: string
}

/** The pixel recipe: one generator, L1 and later L2 between its output and the original. */
export function pixelRecipe(tf: Tf, config: Config): Recipe {
  const { scale, data, losses, optimizer, schedule } = config
  const generator = makeGenerator(tf, config.network, scale, config.seed)
  const variables = trainableVariables(generator)
  const adam = createAdam(tf, variables, { ...optimizer, ema: config.ema })
  const side = data.patch * scale

  return {
    networks: { generator },
    optimizers: { generator: adam },
    exportable: 'generator',
    async step(batch, step) {
      const learningRate = learningRateAt(step, optimizer.learningRate, schedule)
      const kind = step > losses.pixel.l2From * schedule.steps ? 'l2' : 'l1'
      const pixel = tf.tidy(() => {
        const low = tf.tensor4d(batch.low, [data.batch, data.patch, data.patch, 3])
        const high = tf.tensor4d(batch.high, [data.batch, side, side, 3])
        const { value, grads } = tf.variableGrads(() => {
          const output = generator.apply(low, { training: true }) as TF.Tensor4D
          return pixelLoss(tf, output, high, kind, losses.pixel.luma).mul(losses.pixel.weight) as TF.Scalar
        }, variables)
        adam.apply(
          variables.map(variable => grads[variable.name]!),
          learningRate,
        )
        return value
      })
      const [loss] = await pixel.data()
      pixel.dispose()
      return { [`loss/pixel-${kind}`]: loss!, 'learning rate': learningRate }
    },
  }
}
