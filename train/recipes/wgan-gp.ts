import type * as TF from '@tensorflow/tfjs'
import { assertTwiceDifferentiable } from '../../nets/second-order.js'
import { criticLoss, generatorLoss } from '../losses/adversarial.js'
import { gradientPenalty } from '../losses/gradient-penalty.js'
import { randomAt } from '../random.js'
import type { Recipe } from '../recipe.js'
import { adversarialRecipe } from './adversarial.js'
import { type AdversarialTools, refuse } from './tools.js'

/** What the running mean of the gradient's norm keeps of itself from step to step. */
const MEMORY = 0.99

/**
 * WGAN-GP: Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, algorithm 1. The critic's mean verdict on
 * real images less that on made ones estimates the distance between the two, as long as its slope is 1: so λ(‖∇D(x̂)‖ − 1)² is
 * added, at points x̂ drawn between a real image and a made one; and, lest the verdicts drift away from 0, a little of D(real)²
 * (Karras et al. 2018, appendix A.1). With `losses.gan.clip` each weight of the critic is kept in [−clip, clip] instead: the
 * first WGAN (Arjovsky et al. 2017, algorithm 1), to compare.
 */
export function wganGpRecipe(tools: AdversarialTools): Recipe {
  const { tf, config, critic } = tools
  const { kind, penalty: lambda, drift, clip } = config.losses.gan
  if (kind !== 'wasserstein') throw refuse(config, 'losses.gan.kind', 'wasserstein', kind)
  // The penalty is on the slope at each single image, and is itself differentiated (Gulrajani et al., section 4).
  if (clip === undefined) assertTwiceDifferentiable(critic.network)

  const recipe = adversarialRecipe(tools, {
    clip,
    generatorLoss: (judge, fake) => generatorLoss(tf, kind, judge(fake)),
    criticLoss(judge, fake, real, ledger, place) {
      const onReal = judge(real)
      const difference = criticLoss(tf, kind, onReal, judge(fake))
      ledger.note({ 'critic/estimate': tf.neg(difference) })
      const loss = tf.add(difference, onReal.square().mean().mul(drift)) as TF.Scalar
      if (clip !== undefined) return loss
      const { penalty, norm } = gradientPenalty(tf, judge, real, fake, between(place, real.shape[0]))
      ledger.note({ 'critic/penalty': penalty, 'critic/gradient norm': norm })
      return tf.add(loss, tf.mul(penalty, lambda))
    },
  })

  return {
    ...recipe,
    async step(batches, step) {
      const values = await recipe.step(batches, step)
      const norm = values['critic/gradient norm']
      if (norm === undefined) return values
      const { memory } = recipe
      memory.gradientNorm = MEMORY * (memory.gradientNorm ?? norm) + (1 - MEMORY) * norm
      return { ...values, 'critic/gradient norm, running mean': memory.gradientNorm }
    },
  }

  /** For each image a point between the real and the made one, 0 to 1. */
  function between(place: number[], count: number): TF.Tensor4D {
    const random = randomAt(config.seed, ...place)
    return tf.tensor4d(Array.from({ length: count }, random), [count, 1, 1, 1])
  }
}
