import type * as TF from '@tensorflow/tfjs'
import type { GroupNormLayer } from '../../nets/layers/group-norm.js'
import { EPSILON } from '../../nets/layers/norms.js'
import { floats, ints, scalar } from '../graph.js'
import { alongLast, graphAxis, inGraphOrder, transpose } from './axes.js'
import type { LayerCall, Op } from './call.js'
import { unsupported } from './call.js'
import { transposed, weight } from './weights.js'

interface NormConfig {
  axis: number | number[]
  epsilon: number
  scale: boolean
  center: boolean
}

/** With the moving mean and variance. A pass folds it into the convolution before it. */
const batchNormalization: Op = call => {
  const { axis, epsilon, scale, center } = call.config as unknown as NormConfig
  const rank = call.inputShape.length
  // Along any other axis some engines of tfjs answer wrongly.
  if (!isLast(axesOf(axis, rank), rank)) throw unsupported(call.layer, `expected axis -1 (channels), got ${axis}`)
  const weights = call.layer.getWeights().map(w => weight(w).data as Float32Array)
  const channels = weights[0]!.length
  const gamma = scale ? weights.shift()! : new Float32Array(channels).fill(1)
  const beta = center ? weights.shift()! : new Float32Array(channels)
  const [mean, variance] = weights as [Float32Array, Float32Array]
  if (rank === 3) {
    // To ONNX the channels are the second axis.
    const factors = gamma.map((g, c) => g / Math.sqrt(variance[c]! + epsilon))
    return scaleAndShift(
      call,
      call.inputs[0]!,
      factors,
      beta.map((b, c) => b - factors[c]! * mean[c]!),
    )
  }
  const constants = Object.entries({ gamma, beta, mean, variance }).map(([name, data]) => call.constant(name, floats([channels], data)))
  return call.add('BatchNormalization', [call.inputs[0]!, ...constants], { epsilon: { float: epsilon } })
}

/** A layer of ours: channels last, with scale and centre. */
const batchNorm: Op = call => batchNormalization({ ...call, config: { axis: -1, epsilon: EPSILON, scale: true, center: true } })

/** Each example by its own mean and variance along the axes. Ba et al., "Layer Normalization", 2016. */
const layerNormalization: Op = call => {
  const { axis, epsilon, scale, center } = call.config as unknown as NormConfig
  const [x] = call.inputs as [string]
  const shape = call.inputShape
  const rank = shape.length
  const axes = axesOf(axis, rank)
  const weights = call.layer.getWeights()
  const gamma = scale ? weights.shift() : undefined
  const beta = center ? weights.shift() : undefined
  if (isLast(axes, rank)) {
    const ones = floats([shape.at(-1)!], new Float32Array(shape.at(-1)!).fill(1))
    const inputs = [
      rank === 4 ? transpose(call, x, [0, 2, 3, 1]) : x,
      call.constant('gamma', gamma ? weight(gamma) : ones),
      ...(beta ? [call.constant('beta', weight(beta))] : []),
    ]
    const answer = call.add('LayerNormalization', inputs, { axis: { int: -1 }, epsilon: { float: epsilon } })
    return rank === 4 ? transpose(call, answer, [0, 3, 1, 2]) : answer
  }

  const mean = (value: string) => call.add('ReduceMean', [value], { axes: { ints: axes.map(a => graphAxis(a, rank)) } })
  const centred = call.add('Sub', [x, mean(x)])
  const variance = call.add('Add', [mean(call.add('Mul', [centred, centred])), call.constant('epsilon', scalar(epsilon))])
  const unit = call.add('Div', [centred, call.add('Sqrt', [variance])])
  const dims = shape.map((size, a) => (axes.includes(a) ? size! : 1))
  const broadcast = (w: TF.Tensor) => transposed(dims, w.dataSync(), inGraphOrder(dims.map((_, a) => a)))
  const scaled = gamma ? call.add('Mul', [unit, call.constant('gamma', broadcast(gamma))]) : unit
  return beta ? call.add('Add', [scaled, call.constant('beta', broadcast(beta))]) : scaled
}

/** A layer of ours. */
const instanceNorm: Op = call => {
  const [gamma, beta] = call.layer.getWeights()
  const inputs = [call.inputs[0]!, call.constant('gamma', weight(gamma!)), call.constant('beta', weight(beta!))]
  return call.add('InstanceNormalization', inputs, { epsilon: { float: EPSILON } })
}

/** A layer of ours. A group of channels is one channel to InstanceNormalization, and then each has its own factor and offset. */
const groupNormalization: Op = call => {
  const layer = call.layer as GroupNormLayer
  const { groups, gamma, beta } = layer.parts()
  const [x] = call.inputs as [string]
  const channels = call.inputShape[3]!
  const alone = groups === channels
  const filled = (size: number, value: number) => floats([size], new Float32Array(size).fill(value))
  const scales = alone && gamma ? weight(gamma) : filled(groups, 1)
  const offsets = alone && beta ? weight(beta) : filled(groups, 0)
  const normalised = (value: string) => {
    const inputs = [value, call.constant('scales', scales), call.constant('offsets', offsets)]
    return call.add('InstanceNormalization', inputs, { epsilon: { float: layer.epsilon } })
  }
  if (alone) return normalised(x)
  const unit = normalised(call.add('Reshape', [x, call.constant('groups', ints([0, groups, -1]))]))
  const restored = call.add('Reshape', [unit, call.add('Shape', [x])])
  return scaleAndShift(call, restored, gamma?.dataSync() ?? 1, beta?.dataSync() ?? 0)
}

/** A layer of ours. A pass folds it into a convolution before it. */
const affine: Op = call => {
  const { factor, offset } = call.config as { factor: number; offset: number | number[] }
  return scaleAndShift(call, call.inputs[0]!, factor, offset)
}

const rescaling: Op = call => {
  const { scale, offset } = call.config as { scale: number | number[]; offset: number | number[] }
  return scaleAndShift(call, call.inputs[0]!, scale, offset)
}

export const normalizationOps: Record<string, Op> = {
  BatchNormalization: batchNormalization,
  BatchNorm: batchNorm,
  LayerNormalization: layerNormalization,
  InstanceNorm: instanceNorm,
  GroupNormalization: groupNormalization,
  Affine: affine,
  Rescaling: rescaling,
}

/** Counted from the start. tf.keras 2 writes a list even of one. */
const axesOf = (axis: number | number[], rank: number) => [axis].flat().map(a => (a < 0 ? a + rank : a))

const isLast = (axes: number[], rank: number) => String(axes) === String([rank - 1])

/** x·factor + offset: one number for all, or one for each place on tfjs' last axis. */
function scaleAndShift(call: LayerCall, x: string, factor: number | ArrayLike<number>, offset: number | ArrayLike<number>): string {
  const numbers = (value: number | ArrayLike<number>) =>
    typeof value === 'number' ? scalar(value) : alongLast(value, call.inputShape.length)
  const scaled = factor === 1 ? x : call.add('Mul', [x, call.constant('factor', numbers(factor))])
  return offset === 0 ? scaled : call.add('Add', [scaled, call.constant('offset', numbers(offset))])
}
