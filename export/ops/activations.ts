import { floats, scalar } from '../graph.js'
import { alongLast, graphAxis } from './axes.js'
import type { LayerCall, Op } from './call.js'
import { unsupported } from './call.js'
import { transposed, weight } from './weights.js'

type Activation = (call: LayerCall, x: string) => string

const clip =
  (low: number, high: number): Activation =>
  (call, x) =>
    call.add('Clip', [x, number(call, 'low', low), number(call, 'high', high)])

const lastAxis = (call: LayerCall) => ({ axis: { int: graphAxis(-1, call.outputShape.length) } })

/** x·Φ(x): Hendrycks & Gimpel, "Gaussian Error Linear Units", 2016. In the order in which ONNX Runtime looks for it. */
const gelu: Activation = (call, x) => {
  const erf = call.add('Erf', [call.add('Div', [x, number(call, 'root2', Math.SQRT2)])])
  const twice = call.add('Mul', [x, call.add('Add', [erf, number(call, 'one', 1)])])
  return call.add('Mul', [twice, number(call, 'half', 0.5)])
}

/** The same by tanh: section 2 of that paper. */
const geluByTanh: Activation = (call, x) => {
  const cube = call.add('Mul', [x, call.add('Mul', [x, x])])
  const bent = call.add('Add', [x, call.add('Mul', [cube, number(call, 'bend', 0.044715)])])
  const tanh = call.add('Tanh', [call.add('Mul', [bent, number(call, 'steepness', Math.sqrt(2 / Math.PI))])])
  const twice = call.add('Mul', [x, call.add('Add', [tanh, number(call, 'one', 1)])])
  return call.add('Mul', [twice, number(call, 'half', 0.5)])
}

/** tfjs activation name → ONNX. */
const activations: Record<string, Activation> = {
  linear: (_, x) => x,
  relu: (call, x) => call.add('Relu', [x]),
  relu6: clip(0, 6),
  elu: (call, x) => call.add('Elu', [x]),
  selu: (call, x) => call.add('Selu', [x]),
  tanh: (call, x) => call.add('Tanh', [x]),
  sigmoid: (call, x) => call.add('Sigmoid', [x]),
  hardSigmoid: (call, x) => call.add('HardSigmoid', [x], { alpha: { float: 0.2 }, beta: { float: 0.5 } }),
  softplus: (call, x) => call.add('Softplus', [x]),
  softsign: (call, x) => call.add('Softsign', [x]),
  softmax: (call, x) => call.add('Softmax', [x], lastAxis(call)),
  logSoftmax: (call, x) => call.add('LogSoftmax', [x], lastAxis(call)),
  swish: (call, x) => call.add('Mul', [x, call.add('Sigmoid', [x])]),
  mish: (call, x) => call.add('Mul', [x, call.add('Tanh', [call.add('Softplus', [x])])]),
  gelu,
  gelu_new: geluByTanh,
}

function number(call: LayerCall, name: string, value: number): string {
  return call.constant(name, scalar(value))
}

/** Writes the activation that a layer's config names, after the layer's own answer `x`. */
export function activate(call: LayerCall, name: string, x: string): string {
  const activation = activations[name]
  if (!activation) throw unsupported(call.layer, `no export for the activation ${name}; known: ${Object.keys(activations).join(', ')}`)
  return activation(call, x)
}

/** One slope for all; 1 is no activation. */
export function leakyRelu(call: LayerCall, slope: number, x: string): string {
  if (slope === 1) return x
  return slope === 0 ? call.add('Relu', [x]) : call.add('LeakyRelu', [x], { alpha: { float: slope } })
}

const reLU: Op = call => {
  const { maxValue } = call.config as { maxValue?: number | null }
  return typeof maxValue === 'number' ? clip(0, maxValue)(call, call.inputs[0]!) : call.add('Relu', call.inputs)
}

/** One slope for all is a LeakyRelu, which ONNX Runtime fuses into the convolution before it; a PRelu it does not. */
const pReLU: Op = call => {
  const [slopes] = call.layer.getWeights()
  const data = slopes!.dataSync()
  if (data.length === 1) return leakyRelu(call, data[0]!, call.inputs[0]!)
  const dims = slopes!.shape
  return call.add('PRelu', [
    call.inputs[0]!,
    call.constant('slopes', dims.length === 3 ? transposed(dims, data, [2, 0, 1]) : floats(dims, data)),
  ])
}

const softmax: Op = call => {
  const [x] = call.inputs as [string]
  const rank = call.inputShape.length
  const axes = ([call.config.axis].flat() as number[]).map(axis => (axis < 0 ? axis + rank : axis))
  if (axes.length === 1) {
    if (axes[0] !== rank - 1) throw unsupported(call.layer, `tfjs has no softmax along one axis but the last, got axis ${call.config.axis}`)
    return activations.softmax!(call, x)
  }
  const total = call.add('ReduceLogSumExp', [x], { axes: { ints: axes.map(axis => graphAxis(axis, rank)) } })
  return call.add('Exp', [call.add('Sub', [x, total])])
}

/** A layer of ours. */
const channelPReLU: Op = call => {
  const { data } = weight(call.layer.getWeights()[0]!)
  return call.add('PRelu', [call.inputs[0]!, call.constant('slopes', alongLast(data, 4))])
}

/** What these do, they do in training. */
const TRAINING_ONLY = ['Dropout', 'SpatialDropout1D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout']

export const activationOps: Record<string, Op> = {
  Activation: call => activate(call, call.config.activation as string, call.inputs[0]!),
  ReLU: reLU,
  LeakyReLU: call => leakyRelu(call, call.config.alpha as number, call.inputs[0]!),
  PReLU: pReLU,
  ChannelPReLU: channelPReLU,
  ELU: call => call.add('Elu', call.inputs, { alpha: { float: call.config.alpha as number } }),
  ThresholdedReLU: call => call.add('ThresholdedRelu', call.inputs, { alpha: { float: call.config.theta as number } }),
  Softmax: softmax,
  ...Object.fromEntries(TRAINING_ONLY.map(name => [name, call => call.inputs[0]!])),
}
