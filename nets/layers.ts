import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'
import { type AffineConfig, affineLayer } from './layers/affine.js'
import { type ChannelPreluConfig, channelPreluLayer } from './layers/channel-prelu.js'
import { type CollapsibleConfig, collapsibleConvLayer } from './layers/collapsible-conv.js'
import { bicubicEnlargeLayer, bilinearEnlargeLayer, type EnlargeConfig } from './layers/enlarge.js'
import { foreignLayers } from './layers/foreign.js'
import { type GroupNormConfig, groupNormLayer } from './layers/group-norm.js'
import { batchNormLayer, instanceNormLayer, type NormConfig } from './layers/norms.js'
import { type PixelShuffleConfig, pixelShuffleLayer, pixelUnshuffleLayer } from './layers/pixel-shuffle.js'
import { type ReflectionPaddingConfig, reflectionPaddingLayer } from './layers/reflection-padding.js'
import { type RepeatChannelsConfig, repeatChannelsLayer } from './layers/repeat-channels.js'
import { type ResizingConfig, resizingLayer } from './layers/resizing.js'
import { type StridedConvConfig, stridedConvLayer } from './layers/strided-conv.js'
import { subtractLayer } from './layers/subtract.js'

/**
 * The layers that tfjs lacks, or has without a gradient, or slowly. Each is a class because tfjs asks for one; `layersOf(tf)`
 * makes and registers them for the tfjs copy in use, so that saved networks load again.
 */
export interface Layers {
  /** [n,h,w,c·r²] → [n,h·r,w·r,c], depthToSpace order (DCR), with a gradient, which tf.depthToSpace lacks. Shi et al. 2016, section 3.2. */
  pixelShuffle(config: PixelShuffleConfig): TF.layers.Layer
  /** [n,h·r,w·r,c] → [n,h,w,c·r²]: the way back. Height and width must be multiples of r. */
  pixelUnshuffle(config: PixelShuffleConfig): TF.layers.Layer
  /** The input `times` times along its channels: before a pixel shuffle, this enlarges by nearest neighbour. */
  repeatChannels(config: RepeatChannelsConfig): TF.layers.Layer
  /** x·factor + offset, both chosen, not learned; the offset may differ by channel. */
  affine(config: AffineConfig): TF.layers.Layer
  /**
   * MATLAB's bicubic imresize of an RGB picture as one frozen convolution and a pixel shuffle. Beyond the border stands the nearest
   * pixel of the picture, where MATLAB mirrors: within two pixels of the border the answers differ.
   */
  bicubicEnlarge(config: EnlargeConfig): TF.layers.Layer
  /** PyTorch's bilinear interpolation (align_corners=False) of an RGB picture, as one frozen convolution and a pixel shuffle. */
  bilinearEnlarge(config: EnlargeConfig): TF.layers.Layer
  /** 'same' convolution of stride 1, bias and leaky ReLU; see CollapsibleConfig. */
  collapsibleConv(config: CollapsibleConfig): TF.layers.Layer
  /** The same with one plain kernel; without a slope, no activation. */
  conv(config: ConvConfig): TF.layers.Layer
  /** 'same' convolution without bias or activation; tfjs' own layer has no gradient on wasm. */
  stridedConv(config: StridedConvConfig): TF.layers.Layer
  /** PReLU with one learned slope a channel. He et al., "Delving Deep into Rectifiers", ICCV 2015. */
  channelPrelu(config: ChannelPreluConfig): TF.layers.Layer
  /** tfjs' batch normalisation, whose gradient takes seventeen times as long on the native engine. */
  batchNorm(config: NormConfig): TF.layers.Layer
  /** Every picture by its own mean and variance: such a network must see the picture whole. */
  instanceNorm(config: NormConfig): TF.layers.Layer
  /** Every picture's groups of channels by their own mean and variance; see GroupNormConfig. */
  groupNorm(config: GroupNormConfig): TF.layers.Layer
  /** A border that mirrors the picture; see ReflectionPaddingConfig. */
  reflectionPadding(config: ReflectionPaddingConfig): TF.layers.Layer
  /** The first of two values less the second. */
  subtract(config: { name?: string }): TF.layers.Layer
  /** tfjs' resizing to a fixed height and width, with the shape that its answer has. */
  resizing(config: ResizingConfig): TF.layers.Layer
}

export type ConvConfig = Omit<CollapsibleConfig, 'expansion' | 'identity' | 'slope'> & { slope?: number }

const made = new WeakMap<Tf, Layers>()

export function layersOf(tf: Tf): Layers {
  const layers = made.get(tf) ?? define(tf)
  made.set(tf, layers)
  return layers
}

function define(tf: Tf): Layers {
  const PixelShuffle = pixelShuffleLayer(tf)
  const PixelUnshuffle = pixelUnshuffleLayer(tf)
  const RepeatChannels = repeatChannelsLayer(tf)
  const Affine = affineLayer(tf)
  const BicubicEnlarge = bicubicEnlargeLayer(tf)
  const BilinearEnlarge = bilinearEnlargeLayer(tf)
  const CollapsibleConv2D = collapsibleConvLayer(tf)
  const StridedConv2D = stridedConvLayer(tf)
  const ChannelPReLU = channelPreluLayer(tf)
  const BatchNorm = batchNormLayer(tf)
  const InstanceNorm = instanceNormLayer(tf)
  const GroupNormalization = groupNormLayer(tf)
  const ReflectionPadding2D = reflectionPaddingLayer(tf)
  const Subtract = subtractLayer(tf)
  const Resizing = resizingLayer(tf)
  const meant = {
    affine: Affine,
    groupNorm: GroupNormalization,
    pixelShuffle: PixelShuffle,
    pixelUnshuffle: PixelUnshuffle,
    reflectionPadding: ReflectionPadding2D,
  }
  for (const layer of [
    PixelShuffle,
    PixelUnshuffle,
    RepeatChannels,
    Affine,
    BicubicEnlarge,
    BilinearEnlarge,
    CollapsibleConv2D,
    StridedConv2D,
    ChannelPReLU,
    BatchNorm,
    InstanceNorm,
    GroupNormalization,
    ReflectionPadding2D,
    Subtract,
    Resizing,
    ...foreignLayers(tf, meant),
  ]) {
    tf.serialization.registerClass(layer as never)
  }
  return {
    pixelShuffle: config => new PixelShuffle(config),
    pixelUnshuffle: config => new PixelUnshuffle(config),
    repeatChannels: config => new RepeatChannels(config),
    affine: config => new Affine(config),
    bicubicEnlarge: config => new BicubicEnlarge(config),
    bilinearEnlarge: config => new BilinearEnlarge(config),
    collapsibleConv: config => new CollapsibleConv2D(config),
    conv: config => new CollapsibleConv2D({ slope: 1, ...config, expansion: 0, identity: false }),
    stridedConv: config => new StridedConv2D(config),
    channelPrelu: config => new ChannelPReLU(config),
    batchNorm: config => new BatchNorm(config),
    instanceNorm: config => new InstanceNorm(config),
    groupNorm: config => new GroupNormalization(config),
    reflectionPadding: config => new ReflectionPadding2D(config),
    subtract: config => new Subtract(config),
    resizing: config => new Resizing(config),
  }
}
