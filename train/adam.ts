import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../nets/engine.js'

export interface AdamOptions {
  beta1: number
  beta2: number
  epsilon: number
  /** Decay of the averaged parameters. */
  ema: number
}

/** The whole state of the optimizer and its network, as flat vectors in the order of the variables. */
export const SLOTS = ['parameters', 'firstMoment', 'secondMoment', 'averaged'] as const
export type Slots = Record<(typeof SLOTS)[number], TF.Tensor1D>

/**
 * Adam (Kingma & Ba 2015, algorithm 1) with an exponential moving average of the parameters, on one flat vector:
 * a dozen large operations a step instead of a dozen for each of the network's variables.
 */
export interface Adam {
  variables: TF.Variable[]
  /** Updates done. */
  updates(): number
  /** Applies one gradient per variable, in the order of `variables`. */
  apply(gradients: TF.Tensor[], learningRate: number): void
  /** Runs `work` with the averaged parameters in the network. */
  withAverage<T>(work: () => Promise<T>): Promise<T>
  slots(): Slots
  restore(values: Record<(typeof SLOTS)[number], Float32Array>, updates: number): void
}

/** What tfjs trains of a network, in the order of its layers. */
export function trainableVariables(network: TF.LayersModel): TF.Variable[] {
  return network.trainableWeights.map(weight => (weight as unknown as { val: TF.Variable }).val)
}

export function createAdam(tf: Tf, variables: TF.Variable[], options: AdamOptions): Adam {
  const { beta1, beta2, epsilon, ema } = options
  const sizes = variables.map(variable => variable.size)
  const flat = (tensors: TF.Tensor[]) => tf.concat1d(tensors.map(tensor => tensor.flatten()))
  const parameters = tf.tidy(() => flat(variables))
  let slots: Slots = {
    parameters,
    firstMoment: tf.zerosLike(parameters),
    secondMoment: tf.zerosLike(parameters),
    averaged: parameters.clone(),
  }
  let updates = 0

  function replace(next: Slots): void {
    for (const name of SLOTS) {
      tf.keep(next[name])
      slots[name].dispose()
    }
    slots = next
  }

  function load(values: TF.Tensor1D): void {
    tf.tidy(() => {
      const parts = tf.split(values, sizes)
      for (const [i, variable] of variables.entries()) variable.assign(parts[i]!.reshape(variable.shape))
    })
  }

  return {
    variables,
    updates: () => updates,
    slots: () => slots,
    apply(gradients, learningRate) {
      updates++
      const correction1 = 1 - beta1 ** updates
      const correction2 = 1 - beta2 ** updates
      // The average of the first steps must not remember the starting weights.
      const decay = Math.min(ema, (1 + updates) / (10 + updates))
      tf.tidy(() => {
        const gradient = flat(gradients)
        const firstMoment = slots.firstMoment.mul(beta1).add(gradient.mul(1 - beta1)) as TF.Tensor1D
        const secondMoment = slots.secondMoment.mul(beta2).add(gradient.square().mul(1 - beta2)) as TF.Tensor1D
        const direction = firstMoment.div(secondMoment.div(correction2).sqrt().add(epsilon))
        const next = slots.parameters.sub(direction.mul(learningRate / correction1)) as TF.Tensor1D
        const averaged = slots.averaged.mul(decay).add(next.mul(1 - decay)) as TF.Tensor1D
        replace({ parameters: next, firstMoment, secondMoment, averaged })
      })
      load(slots.parameters)
    },
    async withAverage(work) {
      load(slots.averaged)
      try {
        return await work()
      } finally {
        load(slots.parameters)
      }
    },
    restore(values, count) {
      updates = count
      replace(Object.fromEntries(SLOTS.map(name => [name, tf.tensor1d(values[name])])) as Slots)
      load(slots.parameters)
    },
  }
}
