import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'
import { type Adam, createAdam, movingStatistics, trainableVariables } from '../adam.js'
import type { Batch } from '../batches.js'
import type { Config } from '../config.js'
import { learningRateAt } from '../schedule.js'
import type { Ledger } from './ledger.js'

/** A network in training. */
export interface Trainee {
  network: TF.LayersModel
  adam: Adam
  /** The network as it is in training: a batch norm goes by its batch. */
  run(x: TF.Tensor4D): TF.Tensor4D
  /**
   * One update. Where the batch comes in parts (`optimizer.accumulate`), its gradient is the mean of theirs: the same as the
   * whole batch's, unless network or loss look at the batch as a whole (batch norm, relativistic average).
   * @param prepare makes ready for a part what needs no gradient, and returns its loss
   */
  update(step: number, parts: Part[], ledger: Ledger, prepare: (part: Part, index: number) => () => TF.Scalar): void
}

/** An equal part of a batch, [n,h,w,3] in [0,1]; the whole batch where it is not split. */
export interface Part {
  low: TF.Tensor4D
  high: TF.Tensor4D
}

/** The batch as tensors, in as many parts as `optimizer.accumulate` says. */
export function partsOf(tf: Tf, { low, high }: Batch, { data, scale, optimizer }: Config): Part[] {
  const count = optimizer.accumulate
  const part = (values: Float32Array, index: number, side: number) => {
    const length = values.length / count
    return tf.tensor4d(values.subarray(index * length, (index + 1) * length), [data.batch / count, side, side, 3])
  }
  return Array.from({ length: count }, (_, i) => ({ low: part(low, i, data.patch), high: part(high, i, data.patch * scale) }))
}

/**
 * Puts a network into training. Of a critic nobody asks for the average, so none is kept.
 * @param name stands before its numbers in the log
 */
export function startTraining(tf: Tf, config: Config, name: 'generator' | 'critic', network: TF.LayersModel): Trainee {
  const { beta1, beta2, epsilon, clipNorm, learningRate, criticLearningRate } = config.optimizer
  const peak = name === 'critic' ? (criticLearningRate ?? learningRate) : learningRate
  const variables = trainableVariables(network)
  const average = name === 'critic' ? {} : { ema: config.ema }
  const adam = createAdam(tf, variables, { beta1, beta2, epsilon, clipNorm, ...average }, movingStatistics(network))

  return {
    network,
    adam,
    run: x => network.apply(x, { training: true }) as TF.Tensor4D,
    update(step, parts, ledger, prepare) {
      const rate = learningRateAt(step, peak, config.schedule)
      // These passes move the statistics of batch norms, and so come before `apply` averages them.
      const gradients = parts.map((part, i) => tf.tidy(() => adam.flat(tf.variableGrads(prepare(part, i), variables).grads)))
      tf.tidy(() => {
        const mean = gradients.length === 1 ? gradients[0]! : (tf.addN(gradients).div(gradients.length) as TF.Tensor1D)
        ledger.note({ [`gradient/${name}`]: adam.apply(mean, rate), [`learning rate/${name}`]: rate })
      })
      tf.dispose(gradients)
    },
  }
}
