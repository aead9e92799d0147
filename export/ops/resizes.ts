import type { EnlargeLayer } from '../../nets/layers/enlarge.js'
import type { ResizingConfig } from '../../nets/layers/resizing.js'
import type { Attribute } from '../graph.js'
import { floats, ints } from '../graph.js'
import type { Op } from './call.js'
import { channelsLast, unsupported } from './call.js'
import { weight } from './weights.js'

/** tfjs' layer starts both its methods at the corner (asymmetric), never at the pixel's centre. */
const upSampling2d: Op = call => {
  channelsLast(call)
  const { size, interpolation } = call.config as { size: [number, number]; interpolation: string }
  const scales = call.constant('scales', floats([4], [1, 1, ...size]))
  const method = interpolation === 'nearest' ? nearest('floor') : LINEAR
  return call.add('Resize', [call.inputs[0]!, '', scales], { ...method, coordinate_transformation_mode: { string: 'asymmetric' } })
}

/** To a fixed height and width. */
const resizing: Op = call => {
  const { height, width, interpolation, cropToAspectRatio } = call.config as unknown as ResizingConfig
  if (call.outputShape.length !== 4)
    throw unsupported(call.layer, "tfjs' own layer takes no batch; a saved network is loaded with one that does")
  const [x] = call.inputs as [string]
  const range = [call.constant('first', ints([0])), call.constant('pictures', ints([2]))]
  const pictures = call.add('Slice', [call.add('Shape', [x]), ...range])
  const sizes = call.add('Concat', [pictures, call.constant('size', ints([height, width]))], { axis: { int: 0 } })
  const method = interpolation === 'nearest' ? nearest(cropToAspectRatio ? 'floor' : 'round_prefer_ceil') : LINEAR
  const mode = cropToAspectRatio ? 'asymmetric' : 'align_corners'
  return call.add('Resize', [x, '', '', sizes], { ...method, coordinate_transformation_mode: { string: mode } })
}

const LINEAR: Record<string, Attribute> = { mode: { string: 'linear' } }
const nearest = (rounding: string): Record<string, Attribute> => ({ mode: { string: 'nearest' }, nearest_mode: { string: rounding } })

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
  Resizing: resizing,
  PixelShuffle: pixelShuffle,
  PixelUnshuffle: pixelUnshuffle,
  BicubicEnlarge: frozenEnlargement,
  BilinearEnlarge: frozenEnlargement,
}
