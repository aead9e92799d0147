import type * as TF from '@tensorflow/tfjs'
import { closest } from 'fastest-levenshtein'
import { UprezError } from '../../errors.js'
import { biasLeakyRelu } from '../bias-leaky-relu.js'
import type { Tf } from '../engine.js'

/** Images [n,h,w,c] → the maps of the tapped layers by name. Makes tensors on the way: call it inside tf.tidy or a gradient. */
export type Taps = (images: TF.Tensor4D) => Record<string, TF.Tensor4D>

/** `name:linear` is a convolution before its built-in activation. */
const LINEAR = ':linear'

/**
 * Reads any layers of a network: walks back from each of them and runs the layers on the way one by one, as they behave
 * after training. So the images may have any size, whatever the input layer says; the weights are those that the network
 * holds at that moment; and there is a gradient with respect to the images on every engine.
 * @param names layers, or convolutions before their built-in activation (`name:linear`)
 * @throws UprezError `invalid-option` for a layer that the network does not have, naming the nearest and all there are
 */
export function tapLayers(tf: Tf, model: TF.LayersModel, names: string[]): Taps {
  const taps = names.map(name => ({ name, ...find(model, name) }))
  return images => {
    const output = remember(value => {
      const { sourceLayer: layer } = value
      if (layer.getClassName() === 'InputLayer') return images
      if (layer.getClassName() === 'Conv2D') return activate(layer, linear(value))
      const inputs = inputsOf(value).map(output)
      if (layer.getClassName() === 'BatchNormalization') return normalise(tf, layer, inputs[0]!)
      if (layer.getClassName() === 'AveragePooling2D') return average(tf, layer, inputs[0]!)
      return layer.apply(inputs.length === 1 ? inputs[0]! : inputs, { training: false }) as TF.Tensor4D
    })
    const linear = remember(value => convolve(tf, value.sourceLayer, output(inputsOf(value)[0]!)))
    return Object.fromEntries(taps.map(({ name, value, isLinear }) => [name, isLinear ? linear(value) : output(value)]))
  }
}

function find(model: TF.LayersModel, name: string): { value: TF.SymbolicTensor; isLinear: boolean } {
  const known = tapNames(model)
  if (!known.includes(name)) {
    throw new UprezError('invalid-option', `${model.name} has no layer ${name}; did you mean ${closest(name, known)}?`, {
      param: 'losses.feature.layers',
      expected: known.join(', '),
      got: name,
    })
  }
  const isLinear = name.endsWith(LINEAR)
  return { value: outputOf(model.getLayer(isLinear ? name.slice(0, -LINEAR.length) : name)), isLinear }
}

/** What can be tapped: every layer that makes a map, and every convolution before its built-in activation. */
export function tapNames(model: TF.LayersModel): string[] {
  return model.layers
    .filter(layer => layer.getClassName() !== 'InputLayer' && outputOf(layer).shape.length === 4)
    .flatMap(layer => (hasActivation(layer) ? [layer.name, layer.name + LINEAR] : [layer.name]))
}

/** Whether a tap is the linear part of a layer whose activation comes after it. */
export function isLinear(model: TF.LayersModel, name: string): boolean {
  if (name.endsWith(LINEAR)) return true
  const layer = model.getLayer(name)
  return ['Conv2D', 'BatchNormalization'].includes(layer.getClassName()) && !hasActivation(layer)
}

function outputOf(layer: TF.layers.Layer): TF.SymbolicTensor {
  return layer.inboundNodes[0]!.outputTensors[0]!
}

function inputsOf(value: TF.SymbolicTensor): TF.SymbolicTensor[] {
  return value.sourceLayer.inboundNodes[value.nodeIndex]!.inputTensors
}

function remember(compute: (value: TF.SymbolicTensor) => TF.Tensor4D): (value: TF.SymbolicTensor) => TF.Tensor4D {
  const known = new Map<number, TF.Tensor4D>()
  return value => {
    const result = known.get(value.id) ?? compute(value)
    known.set(value.id, result)
    return result
  }
}

interface Conv2D {
  strides: [number, number]
  padding: 'same' | 'valid'
  dilationRate: [number, number]
  activation: { apply(x: TF.Tensor): TF.Tensor; getClassName(): string }
}

function hasActivation(layer: TF.layers.Layer): boolean {
  return layer.getClassName() === 'Conv2D' && activationName(layer) !== 'linear'
}

function activationName(layer: TF.layers.Layer): string {
  return (layer as unknown as Conv2D).activation.getClassName()
}

/** The layer's own fused op would compute a gradient of its kernel that nobody asked for, with a kernel that wasm lacks. */
function convolve(tf: Tf, layer: TF.layers.Layer, x: TF.Tensor4D): TF.Tensor4D {
  const { strides, padding, dilationRate } = layer as unknown as Conv2D
  const [kernel, bias] = layer.getWeights() as [TF.Tensor4D, TF.Tensor1D?]
  const y = tf.conv2d(x, kernel, strides, padding, 'NHWC', dilationRate)
  return bias ? biasLeakyRelu(tf, y, bias, 1) : y
}

function activate(layer: TF.layers.Layer, x: TF.Tensor4D): TF.Tensor4D {
  return activationName(layer) === 'linear' ? x : ((layer as unknown as Conv2D).activation.apply(x) as TF.Tensor4D)
}

/** With its moving statistics it is one factor and one addend per channel; tfjs' gradient computes more than that of x. */
function normalise(tf: Tf, layer: TF.layers.Layer, x: TF.Tensor4D): TF.Tensor4D {
  const { epsilon, scale, center } = layer.getConfig() as { epsilon: number; scale: boolean; center: boolean }
  const weights = layer.getWeights() as TF.Tensor1D[]
  const [mean, variance] = weights.slice(-2) as [TF.Tensor1D, TF.Tensor1D]
  const deviation = tf.rsqrt(tf.add(variance, epsilon))
  const factor = scale ? tf.mul(weights[0]!, deviation) : deviation
  const shift = tf.sub(center ? weights[scale ? 1 : 0]! : 0, tf.mul(mean, factor)) as TF.Tensor1D
  return biasLeakyRelu(tf, tf.mul(x, factor), shift, 1)
}

/**
 * At the borders of a padded map fewer pixels are averaged; tfjs knows that, its gradient does not (on wasm and cpu, 4.22).
 * So the sum over the window in a map padded with zeros is divided by the number of pixels that the window holds.
 */
function average(tf: Tf, layer: TF.layers.Layer, x: TF.Tensor4D): TF.Tensor4D {
  const { poolSize, strides, padding } = layer.getConfig() as { poolSize: Size; strides: Size; padding: 'same' | 'valid' }
  const [, h, w] = x.shape
  const { padInfo } = tf.backend_util.computePool2DInfo(x.shape, poolSize, strides, 1, padding)
  const overZeros = (map: TF.Tensor4D) => {
    const padded = tf.pad(map, [
      [0, 0],
      [padInfo.top, padInfo.bottom],
      [padInfo.left, padInfo.right],
      [0, 0],
    ])
    return tf.avgPool(padded, poolSize, strides, 'valid')
  }
  return tf.div(overZeros(x), overZeros(tf.ones([1, h, w, 1])))
}

type Size = [number, number]
