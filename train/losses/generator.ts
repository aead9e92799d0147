import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'
import { openFeatures } from '../../nets/features/features.js'
import { featureLoss, gramMatrices, type Maps } from './feature.js'
import { frequencyLoss } from './frequency.js'
import { gridLoss } from './grid.js'
import { loadLossModule } from './module.js'
import type { Losses } from './options.js'
import { pixelLoss } from './pixel.js'
import { variationLoss } from './variation.js'

/** All losses of a generator but the adversarial one. */
export interface GeneratorLosses {
  /**
   * What the output is compared with. Call it outside of the gradient, which it does not need: inside, the maps on the way
   * would be kept for it.
   * @param target [n,h,w,3] in [0,1]
   */
  reference(target: TF.Tensor4D): Reference
  /**
   * @param output [n,h,w,3] in [0,1], as far as it has learned that
   * @param progress fraction of the steps done
   */
  evaluate(output: TF.Tensor4D, reference: Reference, progress: number): Evaluation
  /** What compares features, for the card; null: nothing does. */
  featureLoss: string | null
}

export interface Reference {
  target: TF.Tensor4D
  features: Maps
  grams: Maps
}

export interface Evaluation {
  /** Sum of the parts; 0 where every weight is. */
  total: TF.Scalar
  /** What each loss adds to the total, its weight included. They outlive the gradient they were made in: dispose of them. */
  parts: Record<string, TF.Scalar>
}

/**
 * Makes the losses that have a weight, and loads what they need.
 * @param scale of the enlargement, for the grid
 * @param critic whose features are compared where `feature.network` is `critic`
 * @throws UprezError as `openFeatures` and `loadLossModule`
 */
export async function openLosses(tf: Tf, losses: Losses, scale: number, critic?: TF.LayersModel): Promise<GeneratorLosses> {
  const { pixel, frequency, grid, variation, feature, texture, module } = losses
  const network = feature.weight + texture.weight > 0 ? await openFeatures(tf, feature, critic) : undefined
  const own = module && module.weight > 0 ? await loadLossModule(module.path) : undefined
  const features = (images: TF.Tensor4D): Maps => network?.features(images) ?? {}
  const grams = (maps: Maps): Maps => (texture.weight > 0 ? gramMatrices(tf, maps) : {})
  const compare = (a: Maps, b: Maps) => featureLoss(tf, a, b, network!.layers, feature.criterion)

  return {
    featureLoss: network
      ? `${network.describe()}; ${feature.criterion}; weight ${feature.weight}, of Gram matrices ${texture.weight}`
      : null,
    reference(target) {
      const maps = features(target)
      return { target, features: maps, grams: grams(maps) }
    },
    evaluate(output, reference, progress) {
      const { target } = reference
      const kind = progress > pixel.l2From ? 'l2' : pixel.kind
      const maps = features(output)
      const parts: Record<string, TF.Scalar> = {}
      const add = (name: string, weight: number, loss: () => TF.Scalar) => {
        if (weight > 0) parts[name] = tf.keep(tf.mul(loss(), weight))
      }
      add(`pixel-${kind}`, pixel.weight, () => pixelLoss(tf, output, target, kind, pixel.luma))
      add('frequency', frequency.weight, () => frequencyLoss(tf, output, target))
      add('grid', grid.weight, () => gridLoss(tf, output, target, scale))
      add('variation', variation.weight, () => variationLoss(tf, output))
      add('feature', feature.weight, () => compare(maps, reference.features))
      add('texture', texture.weight, () => compare(grams(maps), reference.grams))
      if (own) add('module', module!.weight, () => own(tf, output, target))
      const all = Object.values(parts)
      return { total: all.length > 0 ? tf.addN(all) : tf.scalar(0), parts }
    },
  }
}
