import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../engine.js'
import type { LayerClass } from './layer.js'

/** What a saved network says of a layer. */
type SavedConfig = TF.serialization.ConfigDict & { name?: string }

/** The layers that other people's names stand for. */
export interface Meanings {
  affine: LayerClass<{ name?: string; factor: number }>
  groupNorm: LayerClass<{ name?: string; groups?: number }>
  pixelShuffle: LayerClass<{ name?: string; scale: number }>
  pixelUnshuffle: LayerClass<{ name?: string; scale: number }>
  reflectionPadding: LayerClass<{ name?: string }>
}

/**
 * Layer classes under which other people's networks are saved, for which tfjs has none: loading one makes the layer that it means, so
 * that nothing else needs to know them. A class that means nothing certain is not here: a network of it needs its author's module.
 */
export function foreignLayers(tf: Tf, meant: Meanings): { className: string }[] {
  const named = (names: string[], make: (config: SavedConfig, name: string) => TF.layers.Layer) =>
    names.map(
      name =>
        class extends tf.layers.Layer {
          static className = name
          static override fromConfig(_: unknown, config: TF.serialization.ConfigDict): never {
            const layer = make(config, name)
            // Theirs may take several values; what it means here takes one, and tfjs then says so.
            layer.inputSpec ??= [{}]
            return layer as never
          }
        },
    )
  return [
    ...named(PIXEL_SHUFFLES, (config, name) => new meant.pixelShuffle({ ...config, scale: factorOf(config, name) })),
    ...named(PIXEL_UNSHUFFLES, (config, name) => new meant.pixelUnshuffle({ ...config, scale: factorOf(config, name) })),
    ...named(SCALINGS, (config, name) => new meant.affine({ ...config, factor: numberIn(config, SCALES, name) })),
    // Of @upscalerjs' networks: 0.2, whether the file says so or not.
    ...named(['MultiplyBeta'], config => new meant.affine({ ...config, factor: (config.beta as number | undefined) ?? 0.2 })),
    ...named(REFLECTIONS, config => new meant.reflectionPadding(config)),
    ...named(['GroupNorm'], config => new meant.groupNorm(config)),
    ...named(['InstanceNormalization'], (config, name) => {
      if (config.axis === null) throw refused(name, 'axis -1 (channels), each for itself', 'axis null')
      return new meant.groupNorm({ ...config, groups: -1 })
    }),
    // Keras' dropout of whole channels, as tfjs' with the noise shape that says so.
    ...named(['SpatialDropout2D'], config =>
      tf.layers.dropout({ ...config, rate: config.rate as number, noiseShape: [null, 1, 1, null] as never }),
    ),
    ...named(INACTIVE, config => tf.layers.activation({ ...config, activation: 'linear' })),
  ]
}

const PIXEL_SHUFFLES = [
  ...['PixelShuffle', 'PixelShuffleLayer', 'PixelShuffler', 'PixelShuffle2x', 'PixelShuffle3x', 'PixelShuffle4x', 'PixelShuffle8x'],
  ...['DepthToSpace', 'DepthToSpaceLayer', 'SubPixel', 'SubPixelUpscaling', 'SubpixelShuffle'],
]
const PIXEL_UNSHUFFLES = ['PixelUnshuffle', 'SpaceToDepth']
const SCALINGS = ['MultiplyConstant', 'MultiplyByConstant', 'MultiplyScalar', 'ResidualScaling', 'ScaleLayer']
const REFLECTIONS = ['ReflectionPadding2d', 'ReflectionPad2D', 'ReflectionPad2d', 'ReflectPadding2D']
/** They change pictures, or the loss, in training; else nothing. */
const INACTIVE = [
  ...['ActivityRegularization', 'Identity', 'RandomFlip', 'RandomRotation', 'RandomTranslation', 'RandomZoom', 'RandomContrast'],
  'RandomBrightness',
]

const FACTORS = ['scale', 'scaleFactor', 'upscaleFactor', 'upsampleRate', 'blockSize', 'factor', 'size', 'r']
const SCALES = ['scale', 'factor', 'value', 'constant', 'scaling', 'beta', 'alpha']

/** A whole number from the configuration, or from the class' name. */
function factorOf(config: SavedConfig, name: string): number {
  if (config.dataFormat === 'channelsFirst') throw refused(name, 'dataFormat channelsLast', 'channelsFirst')
  const inName = /(\d+)x$/.exec(name)?.[1]
  const factor = inName === undefined ? numberIn(config, FACTORS, name) : Number(inName)
  if (Number.isInteger(factor) && factor > 0) return factor
  throw refused(name, 'a whole factor', String(factor))
}

/** The number that stands under one of these names; a pair of equal numbers is one. */
function numberIn(config: SavedConfig, keys: string[], name: string): number {
  const found = keys.map(key => [config[key]].flat()).find(([value, other = value]) => typeof value === 'number' && value === other)
  if (found) return found[0] as number
  throw refused(name, `a number as one of ${keys.join(', ')}`, JSON.stringify(config))
}

function refused(name: string, expected: string, got: string): Error {
  return new Error(`a layer ${name}: expected ${expected}, got ${got}`)
}
