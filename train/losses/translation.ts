import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'
import { integer, randomAt } from '../random.js'

/** Moves images [n,h,w,3]; what comes in from beyond the border is black. Differentiable. */
export type Translation = (images: TF.Tensor4D) => TF.Tensor4D

/**
 * A random translation, down and to the right by 0 to `most` pixels each: for each image its own, and the same one for all that is
 * compared at a place, as Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020, section 3.2, move
 * what a critic sees.
 *
 * A strided convolution does not treat all pixels alike: of a 3×3 kernel in steps of 2, every second one is seen twice. So the
 * gradient of a critic, or of a feature network, has the period of its strides, a generator's pixel shuffle has the scale's, and
 * where both keep step the generator learns the pattern: a grid.
 *
 *      shuffle's phase   0 1 2 3 0 1 2 3        moved by 1   0 1 2 3 0 1 2 3
 *      seen so often     1 2 1 2 1 2 1 2                     2 1 2 1 2 1 2 1
 *
 * Moved by 0 to scale − 1 pixels, every phase of the shuffle meets every stride equally often: nearly so in each step, where every
 * image is moved otherwise.
 * @param place where this use of randomness is, for `randomAt`
 */
export function randomTranslation(tf: Tf, most: number, seed: number, place: number[]): Translation {
  if (most === 0) return images => images
  return images => {
    const random = randomAt(seed, ...place)
    const moved = Array.from({ length: images.shape[0] }, (_, i) =>
      movedOne(tf, images, i, integer(random, most + 1), integer(random, most + 1)),
    )
    return tf.concat(moved)
  }
}

/** One image of many: where a batch is of one, tfjs cannot derive `split`. */
function movedOne(tf: Tf, images: TF.Tensor4D, i: number, down: number, right: number): TF.Tensor4D {
  const [, h, w, c] = images.shape
  const kept = tf.slice(images, [i, 0, 0, 0], [1, h - down, w - right, c])
  return tf.pad(kept, [
    [0, 0],
    [down, 0],
    [right, 0],
    [0, 0],
  ])
}
