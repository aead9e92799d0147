import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config.js'
import { lossesSchema } from '../losses/options.js'
import type { Recipe } from '../recipe.js'
import { refuse, superResolution, type Tools, translation } from './tools.js'
import { partsOf } from './trainee.js'

/**
 * One generator, and the losses between its output and the original; no critic.
 * @throws UprezError `invalid-option` where the options ask for a contest
 */
export function pixelRecipe(tools: Tools): Recipe {
  const { tf, config, generator, losses, ledger } = tools
  refuseContest(config)
  return {
    networks: { generator: generator.network },
    optimizers: { generator: generator.adam },
    memory: {},
    batchesPerStep: 1,
    ...superResolution(tools),
    step([batch], step) {
      tf.tidy(() => {
        generator.update(step, partsOf(tf, batch!, config), ledger, ({ low, high }, index) => {
          const moved = translation(tools, step, 0, index)
          const reference = losses.reference(moved(high))
          return () => ledger.sum(losses.evaluate(moved(generator.run(low)), reference, step / config.schedule.steps))
        })
      })
      return ledger.read()
    },
  }
}

function refuseContest(config: Config): void {
  const { critic, losses, schedule } = config
  if (critic) throw refuse(config, 'critic', 'none (--set critic=null)', critic.kind)
  if (schedule.pixelSteps > 0) throw refuse(config, 'schedule.pixelSteps', '0', String(schedule.pixelSteps))
  if (isDeepStrictEqual(losses.gan, lossesSchema.parse({}).gan)) return
  throw refuse(config, 'losses.gan', 'the default (--set losses.gan=null)', JSON.stringify(losses.gan))
}
