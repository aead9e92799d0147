import { floats, scalar } from '../graph.js'
import type { LayerCall, Op } from './call.js'
import { unsupported } from './call.js'
import { transposed, weight } from './weights.js'

type Activation = (call: LayerCall, x: string) => string

const clip =
  (low: number, high: number): Activation =>
  (call, x) =>
    call.add('Clip', [x, call.constant('low', scalar(low)), call.constant('high', scalar(high))])

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
  softmax: (call, x) => call.add('Softmax', [x], { axis: { int: 1 } }),
  swish: (call, x) => call.add('Mul', [x, call.add('Sigmoid', [x])]),
}

/** Writes the activation that a layer's config names, after the layer's own answer `x`. */
export function activate(call: LayerCall, name: string, x: string): string {
  const activation = activations[name]
  if (!activation) throw unsupported(call.layer, `no export for the activation ${name}`)
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
  return call.add('PRelu', [call.inputs[0]!, call.constant('slopes', transposed(slopes!.shape, data, [2, 0, 1]))])
}

/** A layer of ours. */
const channelPReLU: Op = call => {
  const { data } = weight(call.layer.getWeights()[0]!)
  return call.add('PRelu', [call.inputs[0]!, call.constant('slopes', floats([data.length, 1, 1], data))])
}

export const activationOps: Record<string, Op> = {
  Activation: call => activate(call, call.config.activation as string, call.inputs[0]!),
  ReLU: reLU,
  LeakyReLU: call => leakyRelu(call, call.config.alpha as number, call.inputs[0]!),
  PReLU: pReLU,
  ChannelPReLU: channelPReLU,
  ELU: call => call.add('Elu', call.inputs, { alpha: { float: call.config.alpha as number } }),
  Dropout: call => call.inputs[0]!,
}
