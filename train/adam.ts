import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../nets/engine.js'

export interface AdamOptions {
  beta1: number
  beta2: number
  epsilon: number
  /** Decay of the averaged parameters; without it none are kept. */
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
}

/**
 * Adam (Kingma & Ba 2015, algorithm 1) with an exponential moving average of the parameters, on one flat vector:
 * a dozen large operations a step instead of a dozen for each of the network's variables.
 */
export interface Adam {
  variables: TF.Variable[]
  /** Updates done. */
  updates(): number
  /** The gradients of a loss, by the variables' names (what `tf.variableGrads` gives), as the flat vector that `apply` takes. */
  flat(gradients: TF.NamedTensorMap): TF.Tensor1D
  /** Updates the network. @returns the global norm of the gradient, before it is clipped */
  apply(gradient: TF.Tensor1D, learningRate: number): TF.Scalar
  /** Puts every parameter into [−limit, limit]. */
  clamp(limit: number): void
  /** Runs `work` with the averaged parameters in the network. */
  withAverage<T>(work: () => Promise<T>): Promise<T>
  slots(): Slots
  /** Begins anew from the parameters that the network holds now. */
  restart(): void
  /** @param values as many numbers for each slot as it has */
  restore(values: Record<string, Float32Array>, updates: number): void
}

/** What tfjs trains of a network, in the order of its layers. */
export function trainableVariables(network: TF.LayersModel): TF.Variable[] {
  return network.trainableWeights.map(variableOf)
}

/** What a network holds beside: the moving statistics of a batch norm, the vectors of a spectral norm, frozen kernels. */
export function otherVariables(network: TF.LayersModel): TF.Variable[] {
  return network.nonTrainableWeights.map(variableOf)
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

export function createAdam(tf: Tf, variables: TF.Variable[], options: AdamOptions): Adam {
  const { beta1, beta2, epsilon, ema, clipNorm } = options
  const begin = (): Slots => {
    const parameters = flatten(tf, variables)
    return {
      parameters,
      firstMoment: tf.zerosLike(parameters),
      secondMoment: tf.zerosLike(parameters),
      ...(ema === undefined ? {} : { averaged: parameters.clone() }),
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
        const averaged = slots.averaged?.mul(decay).add(parameters.mul(1 - decay)) as TF.Tensor1D | undefined
        replace({ parameters, firstMoment, secondMoment, ...(averaged && { averaged }) })
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
      if (!slots.averaged) return work()
      load(slots.averaged)
      try {
        return await work()
      } finally {
        load(slots.parameters)
      }
    },
    restart() {
      updates = 0
      replace(begin())
    },
    restore(values, count) {
      updates = count
      const names = Object.keys(slots) as (keyof Slots)[]
      replace(Object.fromEntries(names.map(name => [name, tf.tensor1d(values[name]!)])) as unknown as Slots)
      load(slots.parameters)
    },
  }
}

function variableOf(weight: unknown): TF.Variable {
  return (weight as { val: TF.Variable }).val
}
