import { EPSILON } from '../../nets/layers/norms.js'
import { floats, scalar } from '../graph.js'
import type { Op } from './call.js'
import { unsupported } from './call.js'
import { weight } from './weights.js'

/** With the moving mean and variance. A pass folds it into the convolution before it. */
const batchNormalization: Op = call => {
  const { axis, epsilon, scale, center } = call.config as { axis: number; epsilon: number; scale: boolean; center: boolean }
  if (axis !== -1 && axis !== 3) throw unsupported(call.layer, `expected axis -1 (channels), got ${axis}`)
  const weights = call.layer.getWeights()
  const channels = weights[0]!.size
  const gamma = scale ? weight(weights.shift()!) : floats([channels], new Float32Array(channels).fill(1))
  const beta = center ? weight(weights.shift()!) : floats([channels], new Float32Array(channels))
  const [mean, variance] = weights
  return call.add(
    'BatchNormalization',
    [
      call.inputs[0]!,
      call.constant('gamma', gamma),
      call.constant('beta', beta),
      call.constant('mean', weight(mean!)),
      call.constant('variance', weight(variance!)),
    ],
    { epsilon: { float: epsilon } },
  )
}

/** A layer of ours: channels last, with scale and centre. */
const batchNorm: Op = call => batchNormalization({ ...call, config: { axis: -1, epsilon: EPSILON, scale: true, center: true } })

const instanceNorm: Op = call => {
  const [gamma, beta] = call.layer.getWeights()
  const inputs = [call.inputs[0]!, call.constant('gamma', weight(gamma!)), call.constant('beta', weight(beta!))]
  return call.add('InstanceNormalization', inputs, { epsilon: { float: EPSILON } })
}

/** A layer of ours. A pass folds it into a convolution before it. */
const affine: Op = call => {
  const { factor, offset } = call.config as { factor: number; offset: number | number[] }
  const [x] = call.inputs as [string]
  const scaled = factor === 1 ? x : call.add('Mul', [x, call.constant('factor', scalar(factor))])
  return offset === 0
    ? scaled
    : call.add('Add', [
        scaled,
        call.constant('offset', typeof offset === 'number' ? scalar(offset) : floats([offset.length, 1, 1], offset)),
      ])
}

export const normalizationOps: Record<string, Op> = {
  BatchNormalization: batchNormalization,
  BatchNorm: batchNorm,
  InstanceNorm: instanceNorm,
  Affine: affine,
}
