import { products, type Shape } from '../support/convolution.js'

/**
 * Networks written out in float64, by the formulas of their papers and nothing of tfjs: slow, small, and an answer from elsewhere.
 * Maps are NHWC, kernels HWIO.
 */
export interface Tensor {
  shape: number[]
  data: Float64Array
}

export function tensor(shape: number[], data: ArrayLike<number> = { length: sizeOf(shape) }): Tensor {
  return { shape, data: Float64Array.from(data, value => value ?? 0) }
}

/** Convolution with zeros beyond the border, as many as make a side of n pixels ⌈n/stride⌉, the odd one below and to the right. */
export function conv(x: Tensor, kernel: Tensor, bias: Tensor, stride = 1): Tensor {
  const shape = geometry(x.shape, kernel.shape, stride)
  const y = tensor([shape.batch, shape.out.height, shape.out.width, shape.filters])
  for (let i = 0; i < y.data.length; i++) y.data[i] = bias.data[i % shape.filters]!
  products(shape, (i, k, o) => {
    y.data[o]! += x.data[i]! * kernel.data[k]!
  })
  return y
}

/** Gradient of `conv` with respect to its input, for a gradient dy of its result. */
export function convInputGradient(dy: Tensor, kernel: Tensor, inputShape: number[], stride: number): Tensor {
  const dx = tensor(inputShape)
  products(geometry(inputShape, kernel.shape, stride), (i, k, o) => {
    dx.data[i]! += dy.data[o]! * kernel.data[k]!
  })
  return dx
}

/** Below zero, times the slope of the channel. */
export function prelu(x: Tensor, slopes: ArrayLike<number>): Tensor {
  return map(x, (value, i) => (value > 0 ? value : value * slopes[i % slopes.length]!))
}

/** Ioffe & Szegedy 2015, algorithm 1. */
export function batchNorm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): Tensor {
  const channels = x.shape[3]!
  const count = x.data.length / channels
  const mean = new Float64Array(channels)
  const variance = new Float64Array(channels)
  for (const [i, value] of x.data.entries()) mean[i % channels]! += value / count
  for (const [i, value] of x.data.entries()) variance[i % channels]! += (value - mean[i % channels]!) ** 2 / count
  return map(x, (value, i) => {
    const c = i % channels
    return ((value - mean[c]!) / Math.sqrt(variance[c]! + epsilon)) * gamma.data[c]! + beta.data[c]!
  })
}

export function add(a: Tensor, b: Tensor): Tensor {
  return map(a, (value, i) => value + b.data[i]!)
}

/** Shi et al. 2016, equation 4; channel (dy·r + dx)·C + c goes to row dy and column dx of its r × r square. */
export function pixelShuffle(x: Tensor, r: number): Tensor {
  const [n, h, w, channels] = x.shape as [number, number, number, number]
  const c = channels / r ** 2
  const y = tensor([n, h * r, w * r, c])
  for (const [i, value] of x.data.entries()) {
    const [channel, column, row, image] = [
      i % channels,
      Math.floor(i / channels) % w,
      Math.floor(i / channels / w) % h,
      Math.floor(i / channels / w / h),
    ]
    const [dy, dx] = [Math.floor(channel / c / r), Math.floor(channel / c) % r]
    y.data[((image * h * r + row * r + dy) * w * r + column * r + dx) * c + (channel % c)] = value
  }
  return y
}

export function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length
}

/**
 * The gradient of a loss by central differences, exact to about nine digits.
 * @throws where the two sides of a kink lie within a step
 */
export function numericGradient(weights: Tensor[], loss: () => number): Tensor[] {
  return weights.map(weight =>
    map(weight, (value, i) => {
      const slope = (step: number) => {
        const [after, before] = [step, -step].map(change => {
          weight.data[i] = value + change
          return loss()
        })
        weight.data[i] = value
        return (after! - before!) / (2 * step)
      }
      const [coarse, fine] = [slope(2e-5), slope(1e-5)]
      if (Math.abs(coarse - fine) > 1e-6 * Math.max(1, Math.abs(fine)))
        throw new Error(`a kink near weight ${i} of [${weight.shape}]: ${coarse}, ${fine}`)
      return fine
    }),
  )
}

/** The first update of Adam: Kingma & Ba 2015, algorithm 1. */
export function firstAdamUpdate(
  weights: Tensor[],
  gradients: Tensor[],
  options: { learningRate: number; beta1: number; beta2: number; epsilon: number },
): Tensor[] {
  const { learningRate, beta1, beta2, epsilon } = options
  return weights.map((weight, k) =>
    map(weight, (value, i) => {
      const g = gradients[k]!.data[i]!
      const m = ((1 - beta1) * g) / (1 - beta1)
      const v = ((1 - beta2) * g ** 2) / (1 - beta2)
      return value - (learningRate * m) / (Math.sqrt(v) + epsilon)
    }),
  )
}

export function map(x: Tensor, f: (value: number, i: number) => number): Tensor {
  return { shape: x.shape, data: x.data.map(f) }
}

export function sizeOf(shape: number[]): number {
  return shape.reduce((product, side) => product * side, 1)
}

function geometry(x: number[], kernel: number[], stride: number): Shape {
  const [batch, height, width, channels] = x as [number, number, number, number]
  const [kh, kw, , filters] = kernel as [number, number, number, number]
  const out = { height: Math.ceil(height / stride), width: Math.ceil(width / stride) }
  const before = (side: number, result: number, k: number) => Math.floor(Math.max(0, (result - 1) * stride + k - side) / 2)
  const pad = { top: before(height, out.height, kh), left: before(width, out.width, kw) }
  return { batch, height, width, channels, filters, kernel: [kh, kw], stride, dilation: 1, pad, out }
}
