import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../nets/engine.js'

export interface AdamOptions {
  beta1: number
  beta2: number
  epsilon: number
  /** Decay of the averages of parameters and moving statistics; without it none are kept. */
  ema?: number
  /** Gradients of a larger norm are scaled down to it. */
  clipNorm?: number | undefined
}

/** The whole state of the optimizer and its network, as flat vectors in the order of the variables. */
export interface Slots {
  parameters: TF.Tensor1D
  firstMoment: TF.Tensor1D
  secondMoment: TF.Tensor1D
  /** Where an average is kept. */
  averaged?: TF.Tensor1D
  /** Of the moving statistics; where an average is kept and the network has any. */
  averagedStatistics?: TF.Tensor1D
}

/**
 * Adam (Kingma & Ba 2015, algorithm 1) with an exponential moving average of the parameters, on one flat vector:
 * a dozen large operations a step instead of a dozen for each of the network's variables. The moving statistics of batch norms
 * are averaged by the same rule: those of the last step belong to the last step's parameters, not to averaged ones.
 */
export interface Adam {
  variables: TF.Variable[]
  /** Updates done. */
  updates(): number
  /** The gradients of a loss, by the variables' names (what `tf.variableGrads` gives), as the flat vector that `apply` takes. */
  flat(gradients: TF.NamedTensorMap): TF.Tensor1D
  /**
   * Updates the network, and the averages: call it after the forward passes of the step, which move the statistics.
   * @returns the global norm of the gradient, before it is clipped
   */
  apply(gradient: TF.Tensor1D, learningRate: number): TF.Scalar
  /** Puts every parameter into [−limit, limit]. */
  clamp(limit: number): void
  /** Runs `work` with the averaged parameters and moving statistics in the network. */
  withAverage<T>(work: () => Promise<T>): Promise<T>
  slots(): Slots
  /** Begins anew from the parameters and moving statistics that the network holds now. */
  restart(): void
  /** @param values as many numbers for each slot as it has; a slot that is left out begins as in `restart` */
  restore(values: Record<string, Float32Array>, updates: number): void
}

/** Keras' names for them, which our layer and tfjs' own bear. */
const MOVING_STATISTIC = /\bmoving_(mean|variance)$/

/** What tfjs trains of a network, in the order of its layers. */
export function trainableVariables(network: TF.LayersModel): TF.Variable[] {
  return network.trainableWeights.map(variableOf)
}

/** What a network holds beside: the moving statistics of a batch norm, the vectors of a spectral norm, frozen kernels. */
export function otherVariables(network: TF.LayersModel): TF.Variable[] {
  return network.nonTrainableWeights.map(variableOf)
}

/**
 * What batch norms gather of their batches while they train, tfjs' own and frozen ones too. Not what else a network holds beside
 * its parameters: a frozen kernel does not change, and a spectral norm's vector is no mean.
 */
export function movingStatistics(network: TF.LayersModel): TF.Variable[] {
  return network.nonTrainableWeights.filter(({ originalName }) => MOVING_STATISTIC.test(originalName)).map(variableOf)
}

/** Tensors as one vector, one after the other. */
export function flatten(tf: Tf, tensors: TF.Tensor[]): TF.Tensor1D {
  return tf.tidy(() => tf.concat1d(tensors.map(tensor => tensor.flatten())))
}

/** The reverse of `flatten`: gives each variable its part of the vector. */
export function assignFlat(tf: Tf, variables: TF.Variable[], values: TF.Tensor1D): void {
  tf.tidy(() => {
    const parts = tf.split(
      values,
      variables.map(({ size }) => size),
    )
    for (const [i, variable] of variables.entries()) variable.assign(parts[i]!.reshape(variable.shape))
  })
}

/** @param statistics those that `movingStatistics` finds, to be averaged along with the parameters */
export function createAdam(tf: Tf, variables: TF.Variable[], options: AdamOptions, statistics: TF.Variable[] = []): Adam {
  const { beta1, beta2, epsilon, ema, clipNorm } = options
  const begin = (): Slots => {
    const parameters = flatten(tf, variables)
    return {
      parameters,
      firstMoment: tf.zerosLike(parameters),
      secondMoment: tf.zerosLike(parameters),
      ...(ema !== undefined && { averaged: parameters.clone() }),
      ...(ema !== undefined && statistics.length > 0 && { averagedStatistics: flatten(tf, statistics) }),
    }
  }
  let slots = begin()
  let updates = 0

  function replace(next: Slots): void {
    const [kept, gone] = [Object.values(next), Object.values(slots)]
    for (const tensor of kept) tf.keep(tensor)
    for (const tensor of gone) if (!kept.includes(tensor)) tensor.dispose()
    slots = next
  }

  const load = (values: TF.Tensor1D) => assignFlat(tf, variables, values)

  return {
    variables,
    updates: () => updates,
    slots: () => slots,
    flat: gradients =>
      flatten(
        tf,
        variables.map(({ name }) => gradients[name]!),
      ),
    apply(whole, learningRate) {
      updates++
      const correction1 = 1 - beta1 ** updates
      const correction2 = 1 - beta2 ** updates
      // The average of the first steps must not remember the starting weights.
      const decay = Math.min(ema ?? 0, (1 + updates) / (10 + updates))
      const norm = tf.tidy(() => {
        const norm = whole.square().sum().sqrt() as TF.Scalar
        const bound = (limit: number) => whole.mul(tf.minimum(1, tf.div(limit, norm.add(1e-6))))
        const gradient = clipNorm === undefined ? whole : bound(clipNorm)
        const firstMoment = slots.firstMoment.mul(beta1).add(gradient.mul(1 - beta1)) as TF.Tensor1D
        const secondMoment = slots.secondMoment.mul(beta2).add(gradient.square().mul(1 - beta2)) as TF.Tensor1D
        const direction = firstMoment.div(secondMoment.div(correction2).sqrt().add(epsilon))
        const parameters = slots.parameters.sub(direction.mul(learningRate / correction1)) as TF.Tensor1D
        const follow = (average: TF.Tensor1D, now: TF.Tensor1D) => average.mul(decay).add(now.mul(1 - decay)) as TF.Tensor1D
        replace({
          parameters,
          firstMoment,
          secondMoment,
          ...(slots.averaged && { averaged: follow(slots.averaged, parameters) }),
          ...(slots.averagedStatistics && { averagedStatistics: follow(slots.averagedStatistics, flatten(tf, statistics)) }),
        })
        return norm
      })
      load(slots.parameters)
      return norm
    },
    clamp(limit) {
      replace({ ...slots, parameters: tf.clipByValue(slots.parameters, -limit, limit) })
      load(slots.parameters)
    },
    async withAverage(work) {
      const { averaged, averagedStatistics } = slots
      if (!averaged) return work()
      const latest = averagedStatistics && flatten(tf, statistics)
      load(averaged)
      if (averagedStatistics) assignFlat(tf, statistics, averagedStatistics)
      try {
        return await work()
      } finally {
        load(slots.parameters)
        if (latest) assignFlat(tf, statistics, latest)
        latest?.dispose()
      }
    },
    restart() {
      updates = 0
      replace(begin())
    },
    restore(values, count) {
      updates = count
      tf.tidy(() => {
        const given = Object.entries(values).map(([name, numbers]) => [name, tf.tensor1d(numbers)])
        replace({ ...begin(), ...Object.fromEntries(given) })
      })
      load(slots.parameters)
    },
  }
}

function variableOf(weight: unknown): TF.Variable {
  return (weight as { val: TF.Variable }).val
}
