import { type Case, drawn } from './case.js'
import { conv, convInputGradient, map, mean, prelu, type Tensor } from './float64.js'

/** One step of a WGAN-GP critic with two strided convolutions. */
export const OPTIONS = {
  critic: { kind: 'patch', channels: 3, levels: 2 } as const,
  side: 8,
  lambda: 10,
  drift: 1e-3,
  adam: { learningRate: 1e-2, beta1: 0.5, beta2: 0.9, epsilon: 1e-2 },
}
const SLOPES = [0.2]
const STRIDES = [2, 2, 1]

export const wganGp: Case = {
  name: 'wgan-gp',
  adam: OPTIONS.adam,
  weights: [
    drawn('kernel', [4, 4, 3, 3]),
    drawn('bias', [3]),
    drawn('kernel', [4, 4, 3, 6]),
    drawn('bias', [6]),
    drawn('kernel', [3, 3, 6, 1]),
    drawn('bias', [1]),
  ],
  inputs: { real: drawn('image', [2, 8, 8, 3]), fake: drawn('image', [2, 8, 8, 3]), epsilon: drawn('image', [2, 1, 1, 1]) },
  /** Gulrajani et al. 2017, algorithm 1, and the drift of Karras et al. 2018; D is the mean of the patches. */
  evaluate(weights, { real, fake, epsilon }) {
    const imageSize = real!.data.length / epsilon!.data.length
    const mixed = map(real!, (value, i) => {
      const share = epsilon!.data[Math.floor(i / imageSize)]!
      return share * value + (1 - share) * fake!.data[i]!
    })
    const norms = slopesOf(weights, mixed)
    const onReal = logits(weights, real!).at(-1)!
    const onFake = logits(weights, fake!).at(-1)!
    const penalty = mean(norms.map(norm => (norm - 1) ** 2))
    const distance = mean(onFake.data) - mean(onReal.data)
    const drift = mean(onReal.data.map(value => value ** 2))
    return { loss: distance + OPTIONS.lambda * penalty + OPTIONS.drift * drift, penalty, norm: mean(norms) }
  },
}

/** The map behind every convolution, before activation. */
function logits(weights: Tensor[], images: Tensor): Tensor[] {
  const maps: Tensor[] = []
  let x = images
  for (const [i, stride] of STRIDES.entries()) {
    const y = conv(x, weights[2 * i]!, weights[2 * i + 1]!, stride)
    maps.push(y)
    x = prelu(y, SLOPES)
  }
  return maps
}

/** ‖∇D‖ of each image, by the chain rule from the logits back to the image. */
function slopesOf(weights: Tensor[], images: Tensor): number[] {
  const maps = logits(weights, images)
  const count = images.shape[0]!
  const verdict = maps.at(-1)!
  let gradient = map(verdict, () => count / verdict.data.length)
  for (let i = STRIDES.length - 1; i >= 0; i--) {
    const below = i === 0 ? images : maps[i - 1]!
    gradient = convInputGradient(gradient, weights[2 * i]!, below.shape, STRIDES[i]!)
    if (i > 0) gradient = map(gradient, (value, k) => (below.data[k]! > 0 ? value : value * SLOPES[0]!))
  }
  const size = images.data.length / count
  return Array.from({ length: count }, (_, n) => Math.hypot(...gradient.data.slice(n * size, (n + 1) * size)))
}
