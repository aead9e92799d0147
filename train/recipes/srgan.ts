import { criticLoss, generatorLoss } from '../losses/adversarial.js'
import type { Recipe } from '../recipe.js'
import { adversarialRecipe } from './adversarial.js'
import { type AdversarialTools, refuse } from './tools.js'

/**
 * SRGAN: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR 2017,
 * section 2.2. A generator that has been trained on pixels (`from`, or the first `schedule.pixelSteps` steps) goes on against
 * a critic that judges each image by itself, real or made. The generator's loss: pixels, features, and 10⁻³ of the adversarial
 * loss −log D(G(low)) (equation 6; `vanilla`). Least squares and hinge are the same game for other stakes.
 */
export function srganRecipe(tools: AdversarialTools): Recipe {
  const { tf, config } = tools
  const { kind } = config.losses.gan
  if (kind === 'relativistic' || kind === 'wasserstein') throw refuse(config, 'losses.gan.kind', 'vanilla, lsgan or hinge', kind)
  return adversarialRecipe(tools, {
    generatorLoss: (judge, fake) => generatorLoss(tf, kind, judge(fake)),
    criticLoss: (judge, fake, real) => criticLoss(tf, kind, judge(real), judge(fake)),
  })
}
