import type * as TF from '@tensorflow/tfjs'
import type { CollapsibleLayer } from '../../nets/layers/collapsible-conv.js'
import type { Attribute, Constant } from '../graph.js'
import { floats } from '../graph.js'
import { activate, leakyRelu } from './activations.js'
import type { LayerCall, Op } from './call.js'
import { channelsLast, unsupported } from './call.js'
import { transposed, weight } from './weights.js'
import { alongSteps, frame, type WindowConfig } from './windows.js'

interface ConvolutionConfig extends WindowConfig {
  kernelSize: number[]
}

const conv2d: Op = call => {
  const [kernel, bias] = call.layer.getWeights()
  return convolution(call, weight(kernel!, [3, 2, 0, 1]), bias)
}

const conv1d: Op = call => {
  const [kernel, bias] = call.layer.getWeights()
  return alongSteps(call, steps => convolution(steps, weight(kernel!, [2, 1, 0]), bias))
}

/** tfjs' layer takes a dilation and leaves it out: a network that was trained with one elsewhere would be another. */
const depthwiseConv2d: Op = call => {
  const { dilationRate } = call.config as unknown as ConvolutionConfig
  if (dilationRate!.some(rate => rate !== 1)) throw unsupported(call.layer, `tfjs ignores its dilationRate ${dilationRate!.join('×')}`)
  const [kernel, bias] = call.layer.getWeights()
  return depthwise(call, kernel!, bias)
}

/** A depthwise convolution, then one of 1×1 over all channels. */
const separableConv2d: Op = call => {
  const [spatial, pointwise, bias] = call.layer.getWeights()
  const apart = depthwise(call, spatial!, undefined, 'depthwise_')
  return pointwiseConvolution(call, apart, weight(pointwise!, [3, 2, 0, 1]), bias)
}

/** The network's own layer: whatever its kernel is made of in training, it is exported as the one convolution it amounts to. */
const collapsibleConv2d: Op = call => {
  const layer = call.layer as CollapsibleLayer
  const { kernel, bias } = layer.collapsed()
  const filters = weight(kernel, [3, 2, 0, 1])
  kernel.dispose()
  const [kh, kw] = filters.dims.slice(2) as [number, number]
  const pads = [(kh - 1) / 2, (kw - 1) / 2]
  const output = call.add('Conv', [call.inputs[0]!, call.constant('kernel', filters), call.constant('bias', weight(bias))], {
    kernel_shape: { ints: [kh, kw] },
    pads: { ints: [...pads, ...pads] },
  })
  return leakyRelu(call, layer.slope, output)
}

const conv2dTranspose: Op = call => {
  channelsLast(call)
  const { kernelSize, strides, padding } = call.config as unknown as ConvolutionConfig
  const [kernel, bias] = call.layer.getWeights()
  const filters = weight(kernel!, [3, 2, 0, 1])
  const offsets = biasOf(bias, filters.dims[1]!)
  const surplus = kernelSize.map((k, i) => (padding === 'same' ? Math.max(0, k - strides[i]!) : 0))
  return call.add('ConvTranspose', [call.inputs[0]!, call.constant('kernel', filters), call.constant('bias', offsets)], {
    kernel_shape: { ints: kernelSize },
    strides: { ints: strides },
    pads: { ints: [...surplus.map(t => Math.floor(t / 2)), ...surplus.map(t => Math.ceil(t / 2))] },
    output_padding: { ints: kernelSize.map((k, i) => Math.max(0, strides[i]! - k)) },
  })
}

/** Over tfjs' last axis; in pictures that is a convolution of 1×1. */
const dense: Op = call => {
  const [x] = call.inputs as [string]
  const [kernel, bias] = call.layer.getWeights()
  const rank = call.inputShape.length
  if (rank === 4) {
    const filters = weight(kernel!, [1, 0])
    return pointwiseConvolution(call, x, floats([...filters.dims, 1, 1], filters.data), bias)
  }
  const matrix = call.constant('kernel', weight(kernel!))
  const offsets = bias ? [call.constant('bias', weight(bias))] : []
  if (rank === 2) return call.add('Gemm', [x, matrix, ...offsets])
  return offsets.reduce((sum, offset) => call.add('Add', [sum, offset]), call.add('MatMul', [x, matrix]))
}

/** A layer of ours. */
const stridedConv2d: Op = call => {
  const { stride } = call.config as { stride: number }
  return conv2d({ ...call, config: { strides: [stride, stride], dilationRate: [1, 1], padding: 'same' } })
}

/** With the activation that tfjs' layer ends in. */
const activated =
  (op: Op): Op =>
  call =>
    activate(call, call.config.activation as string, op(call))

export const convolutionOps: Record<string, Op> = {
  Conv1D: activated(conv1d),
  Conv2D: activated(conv2d),
  DepthwiseConv2D: activated(depthwiseConv2d),
  SeparableConv2D: activated(separableConv2d),
  Conv2DTranspose: activated(conv2dTranspose),
  Dense: activated(dense),
  CollapsibleConv2D: collapsibleConv2d,
  StridedConv2D: stridedConv2d,
}

/** @param prefix of the constants' names */
function depthwise(call: LayerCall, kernel: TF.Tensor, bias: TF.Tensor | undefined, prefix?: string): string {
  const [kh, kw, channels, multiplier] = kernel.shape as [number, number, number, number]
  const filters = transposed([kh, kw, 1, channels * multiplier], kernel.dataSync(), [3, 2, 0, 1])
  return convolution(call, filters, bias, { group: { int: channels } }, prefix)
}

function convolution(
  call: LayerCall,
  filters: Constant,
  bias: TF.Tensor | undefined,
  more: Record<string, Attribute> = {},
  prefix = '',
): string {
  channelsLast(call)
  const config = call.config as unknown as ConvolutionConfig
  const kernelSize = filters.dims.slice(2)
  const kernel = call.constant(`${prefix}kernel`, filters)
  const offsets = call.constant(`${prefix}bias`, biasOf(bias, filters.dims[0]!))
  return call.add('Conv', [call.inputs[0]!, kernel, offsets], {
    kernel_shape: { ints: kernelSize },
    dilations: { ints: config.dilationRate! },
    ...frame(config, kernelSize, call.inputShape),
    ...more,
  })
}

function pointwiseConvolution(call: LayerCall, x: string, filters: Constant, bias: TF.Tensor | undefined): string {
  const offsets = biasOf(bias, filters.dims[0]!)
  return call.add('Conv', [x, call.constant('kernel', filters), call.constant('bias', offsets)], { kernel_shape: { ints: [1, 1] } })
}

/** Every convolution has one, so that a pass can add to it. */
function biasOf(bias: TF.Tensor | undefined, filters: number): Constant {
  return bias ? weight(bias) : floats([filters], new Float32Array(filters))
}
