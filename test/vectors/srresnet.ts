import { type Case, drawn, type Kind } from './case.js'
import { add, batchNorm, conv, mean, pixelShuffle, prelu, type Tensor } from './float64.js'

const CHANNELS = 3
const EPSILON = 1e-5

/** One step of a tiny SRResNet: one block, ×2, mean squared error. */
export const OPTIONS = {
  generator: { kind: 'srresnet', channels: CHANNELS, blocks: 1, norm: 'batch', residualScale: 1 } as const,
  scale: 2,
}

const convolution = (k: number, from: number, to: number): Kind[] => [drawn('kernel', [k, k, from, to]), drawn('bias', [to])]
const norm: Kind[] = [drawn('gamma', [CHANNELS]), drawn('bias', [CHANNELS])]
const slope = drawn('slope', [CHANNELS])

export const srresnet: Case = {
  name: 'srresnet',
  adam: { learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-2 },
  weights: [
    ...convolution(9, 3, CHANNELS),
    slope,
    ...convolution(3, CHANNELS, CHANNELS),
    ...norm,
    slope,
    ...convolution(3, CHANNELS, CHANNELS),
    ...norm,
    ...convolution(3, CHANNELS, CHANNELS),
    ...norm,
    ...convolution(3, CHANNELS, 4 * CHANNELS),
    slope,
    ...convolution(9, CHANNELS, 3),
  ],
  inputs: { low: drawn('image', [2, 5, 4, 3]), high: drawn('image', [2, 10, 8, 3]) },
  /** Ledig et al. 2017, figure 4 and equation 4. */
  evaluate(weights, { low, high }) {
    const next = weights[Symbol.iterator]()
    const take = () => next.next().value as Tensor
    const convolve = (x: Tensor) => conv(x, take(), take())
    const normalise = (x: Tensor) => batchNorm(x, take(), take(), EPSILON)
    const activate = (x: Tensor) => prelu(x, take().data)

    const first = activate(convolve(low!))
    const block = add(first, normalise(convolve(activate(normalise(convolve(first))))))
    const body = add(first, normalise(convolve(block)))
    const output = convolve(activate(pixelShuffle(convolve(body), OPTIONS.scale)))
    return { loss: mean(output.data.map((value, i) => (value - high!.data[i]!) ** 2)) }
  },
}
