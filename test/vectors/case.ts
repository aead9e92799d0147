import { sizeOf, type Tensor } from './float64.js'

/** A training step whose answer is computed in float64 and kept in a file beside this one. */
export interface Case {
  name: string
  adam: { learningRate: number; beta1: number; beta2: number; epsilon: number }
  /** In the order of the network's variables. */
  weights: Kind[]
  inputs: Record<string, Kind>
  /** The loss, and whatever else is of interest. */
  evaluate(weights: Tensor[], inputs: Record<string, Tensor>): { loss: number } & Record<string, number>
}

/** A tensor that is drawn at random, with numbers that suit its use. */
export interface Kind {
  use: 'kernel' | 'bias' | 'gamma' | 'slope' | 'image'
  shape: number[]
}

export function drawn(use: Kind['use'], shape: number[]): Kind {
  return { use, shape }
}

/** Numbers of three decimals, to keep the files small. */
export function draw({ use, shape }: Kind, next: () => number): Tensor {
  const value = () => {
    const centred = 2 * next() - 1
    switch (use) {
      case 'kernel':
        return centred * Math.sqrt(6 / (shape[0]! * shape[1]! * shape[2]!))
      case 'bias':
        return 0.2 * centred
      case 'gamma':
        return 1 + 0.3 * centred
      case 'slope':
        return 0.25 + 0.15 * centred
      case 'image':
        return next()
    }
  }
  return { shape, data: Float64Array.from({ length: sizeOf(shape) }, () => Math.round(1000 * value()) / 1000) }
}
