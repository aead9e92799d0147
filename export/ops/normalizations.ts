import { floats } from '../graph.js'
import type { Op } from './call.js'
import { unsupported } from './call.js'
import { weight } from './weights.js'

/** As trained: with the moving mean and variance. A pass folds it into the convolution before it. */
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

export const normalizationOps = { BatchNormalization: batchNormalization }
