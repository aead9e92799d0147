import type { Recipe } from '../recipe.js'
import { superResolution, type Tools } from './tools.js'
import { partsOf } from './trainee.js'

/** One generator, and the losses between its output and the original; no critic. */
export function pixelRecipe(tools: Tools): Recipe {
  const { tf, config, generator, losses, ledger } = tools
  return {
    networks: { generator: generator.network },
    optimizers: { generator: generator.adam },
    memory: {},
    batchesPerStep: 1,
    ...superResolution(tools),
    step([batch], step) {
      tf.tidy(() => {
        generator.update(step, partsOf(tf, batch!, config), ledger, ({ low, high }) => {
          const reference = losses.reference(high)
          return () => ledger.sum(losses.evaluate(generator.run(low), reference, step / config.schedule.steps))
        })
      })
      return ledger.read()
    },
  }
}
