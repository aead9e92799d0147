import { criticLoss, generatorLoss } from '../losses/adversarial.js'
import type { Recipe } from '../recipe.js'
import { adversarialRecipe } from './adversarial.js'
import { type AdversarialTools, refuse } from './tools.js'

/**
 * ESRGAN: Wang et al., "Enhanced Super-Resolution Generative Adversarial Networks", ECCV workshops 2018, section 3. The critic
 * tells whether a real image looks more real than the made ones do on average, and a made one less (equations 1 and 2: relativistic
 * average), so that the generator learns from real images too. Features are compared before their activation (section 3.3).
 */
export function esrganRecipe(tools: AdversarialTools): Recipe {
  const { tf, config } = tools
  const { kind } = config.losses.gan
  if (kind !== 'relativistic') throw refuse(config, 'losses.gan.kind', 'relativistic', kind)
  return adversarialRecipe(tools, {
    generatorLoss: (judge, fake, real) => generatorLoss(tf, kind, judge(fake), judge(real)),
    criticLoss: (judge, fake, real) => criticLoss(tf, kind, judge(real), judge(fake)),
  })
}
