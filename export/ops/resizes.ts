import type { Attribute } from '../graph.js'
import { floats } from '../graph.js'
import type { Op } from './call.js'
import { unsupported } from './call.js'

/** tfjs' layer starts both its methods at the corner (asymmetric), never at the pixel's centre. */
const upSampling2d: Op = call => {
  const { size, interpolation, dataFormat } = call.config as { size: [number, number]; interpolation: string; dataFormat: string }
  if (dataFormat !== 'channelsLast') throw unsupported(call.layer, `expected dataFormat channelsLast, got ${dataFormat}`)
  const method: Record<string, Attribute> =
    interpolation === 'nearest' ? { mode: { string: 'nearest' }, nearest_mode: { string: 'floor' } } : { mode: { string: 'linear' } }
  const scales = call.constant('scales', floats([4], [1, 1, ...size]))
  return call.add('Resize', [call.inputs[0]!, '', scales], { ...method, coordinate_transformation_mode: { string: 'asymmetric' } })
}

/** A layer of ours; tfjs' depthToSpace order is ONNX' DCR. */
const pixelShuffle: Op = call =>
  call.add('DepthToSpace', call.inputs, { blocksize: { int: call.config.scale as number }, mode: { string: 'DCR' } })

export const resizeOps: Record<string, Op> = { UpSampling2D: upSampling2d, PixelShuffle: pixelShuffle }
