import type { CollapsibleLayer } from '../../nets/layers/collapsible-conv.js'
import type { Attribute, Constant } from '../graph.js'
import { floats } from '../graph.js'
import { activate, leakyRelu } from './activations.js'
import type { LayerCall, Op } from './call.js'
import { unsupported } from './call.js'
import { transposed, weight } from './weights.js'

type Pair = [number, number]

interface ConvolutionConfig {
  kernelSize: Pair
  strides: Pair
  dilationRate: Pair
  padding: 'same' | 'valid'
  dataFormat: string
  useBias: boolean
  activation: string
}

const conv2d: Op = call => {
  const [kernel, bias] = call.layer.getWeights()
  return convolution(call, weight(kernel!, [3, 2, 0, 1]), bias && weight(bias))
}

const depthwiseConv2d: Op = call => {
  const [kernel, bias] = call.layer.getWeights()
  const [kh, kw, channels, multiplier] = kernel!.shape as [number, number, number, number]
  const filters = transposed([kh, kw, 1, channels * multiplier], kernel!.dataSync(), [3, 2, 0, 1])
  return convolution(call, filters, bias && weight(bias), { group: { int: channels } })
}

/** The network's own layer: whatever its kernel is made of in training, it is exported as the one convolution it amounts to. */
const collapsibleConv2d: Op = call => {
  const layer = call.layer as CollapsibleLayer
  const { kernel, bias } = layer.collapsed()
  const filters = weight(kernel, [3, 2, 0, 1])
  kernel.dispose()
  const [kh, kw] = filters.dims.slice(2) as Pair
  const pads = [(kh - 1) / 2, (kw - 1) / 2]
  const output = call.add('Conv', [call.inputs[0]!, call.constant('kernel', filters), call.constant('bias', weight(bias))], {
    kernel_shape: { ints: [kh, kw] },
    pads: { ints: [...pads, ...pads] },
  })
  return leakyRelu(call, layer.slope, output)
}

const conv2dTranspose: Op = call => {
  const { kernelSize, strides, padding, useBias, activation } = channelsLast(call)
  const [kernel, bias] = call.layer.getWeights()
  const filters = weight(kernel!, [3, 2, 0, 1])
  const offsets = useBias ? weight(bias!) : floats([filters.dims[1]!], new Float32Array(filters.dims[1]!))
  const surplus = kernelSize.map((k, i) => (padding === 'same' ? Math.max(0, k - strides[i]!) : 0))
  const output = call.add('ConvTranspose', [call.inputs[0]!, call.constant('kernel', filters), call.constant('bias', offsets)], {
    kernel_shape: { ints: kernelSize },
    strides: { ints: strides },
    pads: { ints: [...surplus.map(t => Math.floor(t / 2)), ...surplus.map(t => Math.ceil(t / 2))] },
    output_padding: { ints: kernelSize.map((k, i) => Math.max(0, strides[i]! - k)) },
  })
  return activate(call, activation, output)
}

/** A layer of ours. */
const stridedConv2d: Op = call => {
  const { stride } = call.config as { stride: number }
  const config = { strides: [stride, stride], dilationRate: [1, 1], padding: 'same', dataFormat: 'channelsLast', activation: 'linear' }
  return conv2d({ ...call, config })
}

export const convolutionOps = {
  Conv2D: conv2d,
  DepthwiseConv2D: depthwiseConv2d,
  CollapsibleConv2D: collapsibleConv2d,
  StridedConv2D: stridedConv2d,
  Conv2DTranspose: conv2dTranspose,
}

function convolution(call: LayerCall, filters: Constant, bias: Constant | undefined, more: Record<string, Attribute> = {}): string {
  const config = channelsLast(call)
  const kernelSize = filters.dims.slice(2) as Pair
  const offsets = bias ?? floats([filters.dims[0]!], new Float32Array(filters.dims[0]!))
  const output = call.add('Conv', [call.inputs[0]!, call.constant('kernel', filters), call.constant('bias', offsets)], {
    kernel_shape: { ints: kernelSize },
    strides: { ints: config.strides },
    dilations: { ints: config.dilationRate },
    ...padding(config, kernelSize, call.inputShape),
    ...more,
  })
  return activate(call, config.activation, output)
}

function channelsLast(call: LayerCall): ConvolutionConfig {
  const config = call.config as unknown as ConvolutionConfig
  if (config.dataFormat !== 'channelsLast') throw unsupported(call.layer, `expected dataFormat channelsLast, got ${config.dataFormat}`)
  return config
}

/** tfjs pads 'same' by the input's size, more at the end than at the start: with a stride only a fixed size has fixed pads. */
function padding(config: ConvolutionConfig, kernelSize: Pair, inputShape: (number | null)[]): Record<string, Attribute> {
  if (config.padding === 'valid') return {}
  const sizes = inputShape.slice(1, 3)
  if (config.strides.some((stride, i) => stride > 1 && sizes[i] === null)) return { auto_pad: { string: 'SAME_UPPER' } }
  const total = kernelSize.map((k, i) => {
    const reach = config.dilationRate[i]! * (k - 1)
    const stride = config.strides[i]!
    if (stride === 1) return reach
    const size = sizes[i]!
    return Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach + 1 - size)
  })
  return { pads: { ints: [...total.map(t => Math.floor(t / 2)), ...total.map(t => Math.ceil(t / 2))] } }
}
