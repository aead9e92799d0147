import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../nets/engine.js'
import { layersOf } from '../nets/layers.js'
import { createAdam, trainableVariables } from '../train/adam.js'
import type { Batch } from '../train/batches.js'
import { pixelLoss } from '../train/losses/pixel.js'

/** The networks that both frameworks train; peers/train.py builds the same. */
export const NETWORKS = { '32x5': { channels: 32, blocks: 5 }, '64x16': { channels: 64, blocks: 16 } } as const
export type NetworkName = keyof typeof NETWORKS
export const SCALE = 4
export const BATCH = 16
export const PATCH = 48

export interface Trainer {
  /** Learned numbers. */
  parameters: number
  /** One full step: the batch goes to the engine, forward, backward, update; resolves when the loss is known. */
  step(batch: Batch): Promise<unknown>
}

/**
 * 3×3 convolutions in residual blocks, from our own parts.
 *
 *   in ─ conv ─ n × [─┬─ conv ─ ReLU ─ conv ─ (+) ─] ─ conv ─ (+) ─ pixel shuffle ─ out
 *     │               └──────────────────────┘               │
 *     └───────────────── repeated scale² times ──────────────┘
 */
export function residualGenerator(tf: Tf, name: NetworkName): TF.LayersModel {
  const { channels, blocks } = NETWORKS[name]
  const { collapsibleConv, pixelShuffle, repeatChannels } = layersOf(tf)
  const conv = (input: TF.SymbolicTensor, filters: number, slope: 0 | 1): TF.SymbolicTensor =>
    collapsibleConv({ filters, kernelSize: 3, expansion: 0, identity: false, slope, gain: 0.3, seed: 0 }).apply(input) as TF.SymbolicTensor

  const input = tf.input({ shape: [null, null, 3] })
  let features = conv(input, channels, 1)
  for (let i = 0; i < blocks; i++) {
    const inner = conv(conv(features, channels, 0), channels, 1)
    features = tf.layers.add().apply([features, inner]) as TF.SymbolicTensor
  }
  const details = conv(features, 3 * SCALE ** 2, 1)
  const enlarged = repeatChannels({ times: SCALE ** 2 }).apply(input) as TF.SymbolicTensor
  const sum = tf.layers.add().apply([details, enlarged]) as TF.SymbolicTensor
  return tf.model({ inputs: input, outputs: pixelShuffle({ scale: SCALE }).apply(sum) as TF.SymbolicTensor })
}

/** L1 and our Adam (with its averaged weights) on the residual network. */
export function residualTrainer(tf: Tf, name: NetworkName): Trainer {
  const generator = residualGenerator(tf, name)
  const variables = trainableVariables(generator)
  const adam = createAdam(tf, variables, { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, ema: 0.999 })
  return {
    parameters: generator.countParams(),
    async step(batch) {
      const loss = tf.tidy(() => {
        const low = tf.tensor4d(batch.low, [BATCH, PATCH, PATCH, 3])
        const high = tf.tensor4d(batch.high, [BATCH, PATCH * SCALE, PATCH * SCALE, 3])
        const { value, grads } = tf.variableGrads(
          () => pixelLoss(tf, generator.apply(low, { training: true }) as TF.Tensor4D, high, 'l1', 0),
          variables,
        )
        adam.apply(adam.flat(grads), 1e-3)
        return value
      })
      await loss.data()
      loss.dispose()
    },
  }
}
