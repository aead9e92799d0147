import { UprezError } from '../../errors.js'
import type { Tf } from '../../nets/engine.js'
import type { Config } from '../config.js'
import type { Recipe } from '../recipe.js'
import { esrganRecipe } from './esrgan.js'
import { pixelRecipe } from './pixel.js'
import { srganRecipe } from './srgan.js'
import { openAdversarialTools, openTools } from './tools.js'
import { wganGpRecipe } from './wgan-gp.js'

const RECIPES: Record<Config['recipe'], (tf: Tf, config: Config) => Promise<Recipe>> = {
  pixel: async (tf, config) => pixelRecipe(await openTools(tf, config)),
  srgan: async (tf, config) => srganRecipe(await openAdversarialTools(tf, config)),
  esrgan: async (tf, config) => esrganRecipe(await openAdversarialTools(tf, config)),
  'wgan-gp': async (tf, config) => wganGpRecipe(await openAdversarialTools(tf, config)),
}

/**
 * Makes the training method that a configuration names, with its networks at their starting weights.
 * @throws UprezError `invalid-option` where the recipe cannot do with the options: no critic, one that the penalty cannot
 * be used on, …; `missing-feature-network` and others as `openLosses`; `invalid-module`
 */
export async function makeRecipe(tf: Tf, config: Config): Promise<Recipe> {
  const { data, optimizer } = config
  if (data.batch % optimizer.accumulate !== 0) {
    throw new UprezError('invalid-option', `a batch of ${data.batch} cannot be split into ${optimizer.accumulate} equal parts`, {
      param: 'optimizer.accumulate',
      expected: `a divisor of data.batch, ${data.batch}`,
      got: String(optimizer.accumulate),
    })
  }
  return RECIPES[config.recipe](tf, config)
}
