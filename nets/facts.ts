import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import type { EnlargeLayer } from './layers/enlarge.js'
import { density, lcm, multipleFor, PIXELS, type Reach, radius, reachOfAll, reachThrough } from './reach.js'
import { isNetwork, walk } from './walk.js'

/** What a runtime and a card need to know of a network. */
export interface NetworkFacts {
  /** Radius in input pixels: a pixel further away cannot change the answer. null: the network sees the picture whole. */
  receptiveField: number | null
  /** The sides of a picture must be multiples of this. */
  sizeMultiple: number
  /** Learned numbers, a collapsible convolution's as the one kernel that it amounts to. Frozen kernels and moving statistics were not learned. */
  parameters: number
  /**
   * Of convolutions and dense layers, frozen ones too, per input pixel; a multiply-add counts as two. What is done once a picture
   * counts where the network's input has a fixed size.
   */
  flopsPerPixel: number
}

/**
 * Reads the facts off the layers of any network that takes a picture, from its outputs back to its inputs.
 * @param others layer classes that are not known here: who looks through one sees the picture whole
 * @throws UprezError `unsupported-layer` naming a layer that is not known here
 */
export function networkFacts(model: TF.LayersModel, others: readonly string[] = []): NetworkFacts {
  const picture = model.inputs.find(isPicture)
  const [, height, width] = picture?.shape ?? []
  const pixels = height && width ? height * width : Number.POSITIVE_INFINITY
  let sizeMultiple = 1
  let flopsPerPixel = 0

  const given = model.inputs.map((input): View => (isPicture(input) ? { axes: [PIXELS, PIXELS], whole: false } : null))
  const outputs = viewsOf(model, given)
  return {
    receptiveField: outputs.reduce<number | null>((most, view) => {
      return most === null || view === null || view.whole ? null : Math.max(most, ...view.axes.map(radius))
    }, 0),
    sizeMultiple,
    parameters: learnedNumbers(model),
    flopsPerPixel,
  }

  /** What a network's answers look at, given what its inputs do. */
  function viewsOf(network: TF.LayersModel, given: View[]): View[] {
    return walk(network, given, (layer, inputs, { outputTensors }) => {
      return isNetwork(layer) ? viewsOf(layer, inputs) : [seenBy(layer, inputs, outputTensors[0]!.shape)]
    })
  }

  function seenBy(layer: TF.layers.Layer, inputs: View[], shape: TF.Shape): View {
    const { view, stride, multiplied } = ruleOf(layer, others)(inputs, layer.getConfig(), layer)
    if (stride) for (const [i, axis] of inputs[0]?.axes.entries() ?? []) sizeMultiple = lcm(sizeMultiple, multipleFor(axis, stride[i]!))
    if (multiplied !== undefined) {
      const places = multiplied ? density(multiplied.axes) : product(shape.slice(1, -1).map(side => side ?? 1)) / pixels
      flopsPerPixel += 2 * kernelSize(layer) * places
    }
    return view
  }
}

/** What a map's positions look at along its rows and columns, and whether each sees the picture whole; null: not a map that grows with the picture. */
type View = { axes: [Reach, Reach]; whole: boolean } | null
type Pair = [number, number]

/** What a layer makes of what its inputs look at. */
type Rule = (
  inputs: View[],
  config: TF.serialization.ConfigDict,
  layer: TF.layers.Layer,
) => {
  view: View
  /** The input's sides must be multiples of it. */
  stride?: Pair
  /** The map at each of whose positions the layer's kernel is multiplied; null: once a picture. */
  multiplied?: View
}

/** Position by position; a map beside numbers of the whole picture sees it whole. */
const pointwise: Rule = inputs => {
  const maps = inputs.filter(view => view !== null)
  if (maps.length === 0) return { view: null }
  const along = (i: 0 | 1) => reachOfAll(maps.map(({ axes }) => axes[i]))
  return { view: { axes: [along(0), along(1)], whole: maps.length < inputs.length || maps.some(({ whole }) => whole) } }
}

const perPosition: Rule = inputs => ({ view: inputs[0]!, multiplied: inputs[0]! })
const wholePicture: Rule = () => ({ view: null })
/** Each position by numbers of the whole picture. */
const byTheWhole: Rule = ([view]) => ({ view: view && { ...view, whole: true } })
/** What is done along channels alone is done position by position. */
const alongAxes: Rule = (inputs, config, layer) => {
  const rank = (layer.inboundNodes[0]!.inputShapes[0] as TF.Shape).length
  const axes = [config.axis].flat() as number[]
  return axes.every(axis => axis === -1 || axis === rank - 1) ? pointwise(inputs, config, layer) : byTheWhole(inputs, config, layer)
}

const concatenate: Rule = (inputs, config, layer) =>
  config.axis === -1 || config.axis === 3 ? pointwise(inputs, config, layer) : wholePicture(inputs, config, layer)

/** 'same' pads more at the end than at the start, as tfjs does where the size is a multiple of the stride. */
const window =
  (side: 'kernelSize' | 'poolSize'): Rule =>
  ([input], config) => {
    const [lengths, stride, dilation] = [pair(config[side]), pair(config.strides ?? config.stride ?? 1), pair(config.dilationRate ?? 1)]
    const view = mapAxes(input!, (axis, i) => {
      const [step, spacing] = [stride[i]!, dilation[i]!]
      const reach = spacing * (lengths[i]! - 1)
      const before = config.padding === 'valid' ? 0 : Math.floor(Math.max(0, reach + 1 - step) / 2)
      return reachThrough(axis, [1, step], o => range(lengths[i]!).map(tap => o * step - before + tap * spacing))
    })
    return { view, stride }
  }

const convolution: Rule = (inputs, config, layer) => {
  const answer = window('kernelSize')(inputs, config, layer)
  return { ...answer, multiplied: answer.view }
}

const transposedConvolution: Rule = ([input], config) => {
  const [lengths, strides] = [pair(config.kernelSize), pair(config.strides)]
  const view = mapAxes(input!, (axis, i) => {
    const [length, stride] = [lengths[i]!, strides[i]!]
    const before = config.padding === 'same' ? Math.floor(Math.max(0, length - stride) / 2) : 0
    const sources = (o: number) => range(length).map(tap => (o + before - tap) / stride)
    return reachThrough(axis, [stride, 1], o => sources(o).filter(Number.isInteger))
  })
  return { view, multiplied: input! }
}

/** Each output position is a mix of the input positions `from(o)`. */
const enlarged = (input: View, factors: Pair, from: (o: number, factor: number) => number[]): View =>
  mapAxes(input!, (axis, i) => reachThrough(axis, [factors[i]!, 1], o => from(o, factors[i]!)))

const nearest = (o: number, factor: number) => [Math.floor(o / factor)]
const betweenCorners = (o: number, factor: number) => [Math.floor(o / factor), Math.ceil(o / factor)]
const betweenCentres = (o: number, factor: number) => {
  const centre = (o + 0.5) / factor - 0.5
  return [Math.floor(centre), Math.ceil(centre)]
}

/** Moved down and right by a border; a border that mirrors the picture looks no further than one of zeros. */
const moved = (input: View, borders: Pair[], sign: 1 | -1): View =>
  mapAxes(input, (axis, i) => reachThrough(axis, [1, 1], o => [o - sign * borders[i]![0]]))
const padding: Rule = ([input], config) => ({ view: moved(input!, config.padding as Pair[], 1) })
const cropping: Rule = ([input], config) => ({ view: moved(input!, config.cropping as Pair[], -1) })

const pixelUnshuffle: Rule = ([input], config) => {
  const stride = pair(config.scale)
  return {
    view: mapAxes(input!, (axis, i) => reachThrough(axis, [1, stride[i]!], o => range(stride[i]!).map(tap => o * stride[i]! + tap))),
    stride,
  }
}

const frozenEnlargement: Rule = ([input], config, layer) => {
  const phases = (layer as EnlargeLayer).phases()
  const view = enlarged(input!, pair(config.scale), (o, factor) => {
    const { first, weights } = phases[o % factor]!
    return weights.map((_, tap) => Math.floor(o / factor) + first + tap)
  })
  return { view, multiplied: input! }
}

const pointwiseLayers = [
  ...['Activation', 'ReLU', 'LeakyReLU', 'PReLU', 'ELU', 'ThresholdedReLU', 'BatchNormalization', 'Rescaling'],
  ...['Add', 'Subtract', 'Multiply', 'Average', 'Maximum', 'Minimum'],
  ...['Dropout', 'SpatialDropout1D', 'GaussianNoise', 'GaussianDropout', 'AlphaDropout'],
  ...['Affine', 'BatchNorm', 'ChannelPReLU', 'CriticLeakyReLU', 'RepeatChannels'],
]
/** What comes out is no map that grows with the picture. */
const wholePictureLayers = [
  ...['Flatten', 'Reshape', 'Permute', 'RepeatVector', 'Resizing', 'Dot', 'AdaptiveAveragePooling2D'],
  ...['GlobalAveragePooling2D', 'GlobalMaxPooling2D', 'GlobalAveragePooling1D', 'GlobalMaxPooling1D', 'AveragePooling1D', 'MaxPooling1D'],
]

/** Layer class → rule. Adding a layer is adding a line. */
const RULES: Record<string, Rule> = {
  ...Object.fromEntries(pointwiseLayers.map(name => [name, pointwise])),
  ...Object.fromEntries(wholePictureLayers.map(name => [name, wholePicture])),
  Concatenate: concatenate,
  Softmax: alongAxes,
  LayerNormalization: alongAxes,
  Conv1D: () => ({ view: null, multiplied: null }),
  Conv2D: convolution,
  CollapsibleConv2D: convolution,
  CriticConv2D: convolution,
  StridedConv2D: convolution,
  DepthwiseConv2D: convolution,
  SeparableConv2D: convolution,
  Conv2DTranspose: transposedConvolution,
  AveragePooling2D: window('poolSize'),
  MaxPooling2D: window('poolSize'),
  UpSampling2D: ([input], { size, interpolation }) => ({
    view: enlarged(input!, pair(size), interpolation === 'nearest' ? nearest : betweenCorners),
  }),
  Upsample2x: ([input], { mode }) => ({ view: enlarged(input!, [2, 2], mode === 'nearest' ? nearest : betweenCentres) }),
  PixelShuffle: ([input], { scale }) => ({ view: enlarged(input!, pair(scale), nearest) }),
  PixelUnshuffle: pixelUnshuffle,
  BicubicEnlarge: frozenEnlargement,
  BilinearEnlarge: frozenEnlargement,
  ZeroPadding2D: padding,
  ReflectionPadding2D: padding,
  Cropping2D: cropping,
  InstanceNorm: byTheWhole,
  GroupNormalization: byTheWhole,
  Dense: perPosition,
}

function ruleOf(layer: TF.layers.Layer, others: readonly string[]): Rule {
  const name = layer.getClassName()
  const rule = RULES[name] ?? (others.includes(name) ? byTheWhole : undefined)
  if (rule) return rule
  const message = `layer ${layer.name}: what a ${name} looks at is not known; known: ${Object.keys(RULES).sort().join(', ')}`
  throw new UprezError('unsupported-layer', message, { param: layer.name, got: name })
}

function mapAxes(view: View, change: (axis: Reach, i: number) => Reach): View {
  return view && { ...view, axes: [change(view.axes[0], 0), change(view.axes[1], 1)] }
}

function isPicture({ shape }: TF.SymbolicTensor): boolean {
  return shape.length === 4
}

function learnedNumbers(layer: TF.layers.Layer): number {
  if (isNetwork(layer)) return layer.layers.reduce((sum, inner) => sum + learnedNumbers(inner), 0)
  if (layer.getClassName() === 'CollapsibleConv2D') return kernelSize(layer) + (layer.getConfig().filters as number)
  return layer.trainableWeights.reduce((sum, { shape }) => sum + product(shape), 0)
}

/** Multiply-adds at one position. */
function kernelSize(layer: TF.layers.Layer): number {
  const { kernelSize: side, filters, scale } = layer.getConfig() as Record<string, number>
  const name = layer.getClassName()
  if (name === 'CollapsibleConv2D') return side! ** 2 * layer.weights[0]!.shape[2]! * filters!
  if ('reach' in layer) return (2 * (layer as EnlargeLayer).reach + 1) ** 2 * 3 * 3 * scale! ** 2
  const kernels = name === 'SeparableConv2D' ? layer.weights.slice(0, 2) : layer.weights.slice(0, 1)
  return kernels.reduce((sum, { shape }) => sum + product(shape), 0)
}

function product(shape: TF.Shape): number {
  return shape.reduce<number>((size, side) => size * side!, 1)
}

function pair(value: unknown): Pair {
  return Array.isArray(value) ? (value as Pair) : [value as number, value as number]
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i)
}
