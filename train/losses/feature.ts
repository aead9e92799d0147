import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'

export type Criterion = 'l1' | 'l2'

/** Maps of a feature network by layer. */
export type Maps = Record<string, TF.Tensor>

/**
 * Mean absolute or squared difference of the maps of each layer, summed with the layers' weights. Johnson et al. 2016,
 * equation 2; Wang et al. 2018 (ESRGAN), section 3.3, take the maps before activation and l1.
 */
export function featureLoss(tf: Tf, output: Maps, target: Maps, weights: Record<string, number>, criterion: Criterion): TF.Scalar {
  const terms = Object.entries(weights).map(([name, weight]) => {
    const difference = tf.sub(output[name]!, target[name]!)
    return (criterion === 'l1' ? tf.abs(difference) : tf.square(difference)).mean().mul(weight) as TF.Scalar
  })
  return tf.addN(terms)
}

/**
 * The Gram matrices of maps: for each image the products of every two channels, averaged over places and divided by the
 * number of channels. The texture loss is the feature loss of these: Gatys et al. 2016, equation 5, whose 1/(4N²M²) on
 * matrices without a factor is c²/4 times our mean square. Sajjadi et al. 2017 (EnhanceNet), section 4.2.3.
 * @param maps [n,h,w,c]
 * @returns [n,c,c] by layer
 */
export function gramMatrices(tf: Tf, maps: Maps): Maps {
  return Object.fromEntries(
    Object.entries(maps).map(([name, map]) => {
      const [n, h, w, c] = map.shape as [number, number, number, number]
      const rows = tf.reshape(map, [n, h * w, c])
      return [name, tf.matMul(rows, rows, true).div(h * w * c)]
    }),
  )
}
