import type { EnlargeLayer } from '../../nets/layers/enlarge.js'
import type { Attribute } from '../graph.js'
import { floats, ints } from '../graph.js'
import type { Op } from './call.js'
import { unsupported } from './call.js'
import { weight } from './weights.js'

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

const pixelUnshuffle: Op = call => call.add('SpaceToDepth', call.inputs, { blocksize: { int: call.config.scale as number } })

/** A frozen convolution of the picture and its border, and a pixel shuffle. */
const frozenEnlargement: Op = call => {
  const layer = call.layer as EnlargeLayer
  const kernel = layer.kernel()
  const filters = weight(kernel, [3, 2, 0, 1])
  kernel.dispose()
  const pads = call.constant('pads', ints([0, 0, layer.reach, layer.reach, 0, 0, layer.reach, layer.reach]))
  const bordered = call.add('Pad', [call.inputs[0]!, pads], { mode: { string: 'edge' } })
  const bias = call.constant('bias', floats([filters.dims[0]!], new Float32Array(filters.dims[0]!)))
  const attributes = { kernel_shape: { ints: filters.dims.slice(2) } }
  const phases = call.add('Conv', [bordered, call.constant('kernel', filters), bias], attributes)
  return pixelShuffle({ ...call, inputs: [phases] })
}

export const resizeOps: Record<string, Op> = {
  UpSampling2D: upSampling2d,
  PixelShuffle: pixelShuffle,
  PixelUnshuffle: pixelUnshuffle,
  BicubicEnlarge: frozenEnlargement,
  BilinearEnlarge: frozenEnlargement,
}
