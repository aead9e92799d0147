import type * as TF from '@tensorflow/tfjs'
import type { Recipe } from '../recipe.js'
import type { Ledger } from './ledger.js'
import { type AdversarialTools, superResolution, translation } from './tools.js'
import { type Part, partsOf } from './trainee.js'

/** The critic's logits, [n,1] or one a patch [n,h,w,1], for images [n,h,w,3]. */
export type Judge = (images: TF.Tensor4D) => TF.Tensor

/** What tells one adversarial method from another: what either side wants. */
export interface Contest {
  /** What the generator lowers beside its other losses; the configured weight comes on top. */
  generatorLoss(judge: Judge, fake: TF.Tensor4D, real: TF.Tensor4D): TF.Scalar
  /**
   * What the critic lowers.
   * @param place where this use of randomness is, for `randomAt`
   */
  criticLoss(judge: Judge, fake: TF.Tensor4D, real: TF.Tensor4D, ledger: Ledger, place: number[]): TF.Scalar
  /** The bound of the critic's weights; undefined: none. */
  clip?: number | undefined
}

/**
 * The step of all adversarial recipes, in BasicSR's order: the generator is updated, then the critic, on what the
 * generator made before its update, so that nothing is computed twice. Each further critic step (`losses.gan.criticSteps`)
 * takes a fresh batch, as in Gulrajani et al. 2017, algorithm 1: shown the same one again, the critic would come to know
 * its patches rather than photographs. In the first `schedule.pixelSteps` steps the generator learns alone.
 */
export function adversarialRecipe(tools: AdversarialTools, contest: Contest): Recipe {
  const { tf, config, generator, critic, ledger } = tools
  const { weight, criticSteps } = config.losses.gan

  return {
    networks: { generator: generator.network, critic: critic.network },
    optimizers: { generator: generator.adam, critic: critic.adam },
    memory: {},
    batchesPerStep: criticSteps,
    ...superResolution(tools),
    step(batches, step) {
      tf.tidy(() => {
        const [first, ...fresh] = batches.map(batch => partsOf(tf, batch, config))
        const contested = step > config.schedule.pixelSteps
        const fakes = improveGenerator(step, first!, contested)
        if (contested) {
          improveCritic(step, 0, first!, fakes)
          for (const [i, parts] of fresh.entries()) improveCritic(step, i + 1, parts, parts.map(imitate))
        }
        tf.dispose(fakes)
      })
      return ledger.read()
    },
  }

  /** @returns what the generator made of each part; the caller disposes of it */
  function improveGenerator(step: number, parts: Part[], contested: boolean): TF.Tensor4D[] {
    const losses = contested ? tools.losses : tools.pixelLosses
    const fakes: TF.Tensor4D[] = []
    generator.update(step, parts, ledger, ({ low, high }, index) => {
      const moved = translation(tools, step, 0, index)
      const original = moved(high)
      const reference = losses.reference(original)
      return () => {
        const whole = generator.run(low)
        fakes.push(tf.keep(whole.clone()))
        const fake = moved(whole)
        const total = ledger.sum(losses.evaluate(fake, reference, step / config.schedule.steps))
        if (!contested) return total
        const adversarial = contest.generatorLoss(critic.run, fake, original).mul(weight) as TF.Scalar
        ledger.note({ 'loss/adversarial': adversarial })
        return tf.add(total, adversarial)
      }
    })
    return fakes
  }

  function improveCritic(step: number, turn: number, parts: Part[], fakes: TF.Tensor4D[]): void {
    critic.update(step, parts, ledger, ({ high }, index) => () => {
      const moved = translation(tools, step, turn + 1, index)
      const loss = contest.criticLoss(critic.run, moved(fakes[index]!), moved(high), ledger, [step, turn, index])
      ledger.note({ 'loss/critic': loss })
      return loss
    })
    if (contest.clip !== undefined) critic.adam.clamp(contest.clip)
  }

  function imitate({ low }: Part): TF.Tensor4D {
    return tf.tidy(() => generator.run(low))
  }
}
