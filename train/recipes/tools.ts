import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../../errors.js'
import { makeCritic } from '../../nets/critic.js'
import type { Tf } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import type { Config } from '../config.js'
import { type GeneratorLosses, openLosses } from '../losses/generator.js'
import type { Losses } from '../losses/options.js'
import { randomTranslation, type Translation } from '../losses/translation.js'
import type { Recipe } from '../recipe.js'
import { openGenerator } from '../user-network.js'
import { sampleSheet, validate } from '../validate.js'
import { type Ledger, openLedger } from './ledger.js'
import { startTraining, type Trainee } from './trainee.js'

/** What a recipe of super-resolution is made from. */
export interface Tools {
  tf: Tf
  config: Config
  generator: Trainee
  /** All losses of the generator that have a weight, but the adversarial one. */
  losses: GeneratorLosses
  ledger: Ledger
}

/** What an adversarial recipe is made from. */
export interface AdversarialTools extends Tools {
  critic: Trainee
  /** Those losses that compare pixels: for the steps without the critic. */
  pixelLosses: GeneratorLosses
}

/** @throws UprezError as `openGenerator` and `openLosses`, and `invalid-option` where every loss has the weight 0 */
export async function openTools(tf: Tf, config: Config): Promise<Tools> {
  demandLoss(config.losses)
  const generator = startTraining(tf, config, 'generator', await openGenerator(tf, config))
  return { tf, config, generator, losses: await openLosses(tf, config.losses, config.scale), ledger: openLedger(tf) }
}

/** @throws UprezError as `openTools`, and `invalid-option` where no critic is described */
export async function openAdversarialTools(tf: Tf, config: Config): Promise<AdversarialTools> {
  const critic = startTraining(tf, config, 'critic', openCritic(tf, config))
  const generator = startTraining(tf, config, 'generator', await openGenerator(tf, config))
  const { losses, scale, schedule } = config
  const onPixels = { ...losses, feature: { ...losses.feature, weight: 0 }, texture: { weight: 0 } }
  if (schedule.pixelSteps > 0) demandLoss(onPixels)
  return {
    tf,
    config,
    generator,
    critic,
    losses: await openLosses(tf, losses, scale, critic.network),
    pixelLosses: await openLosses(tf, onPixels, scale),
    ledger: openLedger(tf),
  }
}

/** Tells this use of randomness from others at the same step. */
const TRANSLATION = 1

/** How what is compared is moved, at a step, in one of its turns (0: the generator's; then the critic's), in a part of the batch. */
export function translation({ tf, config }: Tools, step: number, turn: number, part: number): Translation {
  return randomTranslation(tf, config.losses.translation, config.seed, [step, turn, part, TRANSLATION])
}

function demandLoss({ pixel, frequency, grid, variation, feature, texture, module }: Losses): void {
  if ([pixel, frequency, grid, variation, feature, texture, module].some(loss => loss && loss.weight > 0)) return
  throw new UprezError('invalid-option', 'every loss has the weight 0: there is nothing to learn', {
    param: 'losses.pixel.weight',
    expected: 'a loss with a weight',
    got: '0',
  })
}

/**
 * The critic that a configuration describes, at its starting weights.
 * @throws UprezError `invalid-option` where it describes none
 */
export function openCritic(tf: Tf, { recipe, critic, data, scale, seed }: Config): TF.LayersModel {
  if (critic) return makeCritic(tf, critic, data.patch * scale, seed)
  throw new UprezError('invalid-option', `the recipe ${recipe} needs a critic, for example --set critic.kind=srgan`, {
    param: 'critic',
    expected: 'the kind of a critic',
    got: 'none',
  })
}

/**
 * What every recipe of super-resolution exports, measures and shows: the generator, with its averaged weights.
 * @throws UprezError `unsupported-layer` for a network that could not be exported
 */
export function superResolution({ tf, config, generator, losses }: Tools) {
  const { network, adam } = generator
  networkFacts(network)
  return {
    exportable: 'generator',
    featureLoss: losses.featureLoss,
    validate: (images, onProgress) => adam.withAverage(() => validate(tf, network, images, config.scale, onProgress)),
    samples: images => adam.withAverage(() => sampleSheet(tf, network, images, config.scale)),
  } satisfies Partial<Recipe>
}

/** The error of a recipe that cannot do with an option. */
export function refuse({ recipe }: Config, param: string, expected: string, got: string): UprezError {
  return new UprezError('invalid-option', `the recipe ${recipe} needs ${param} = ${expected}, not ${got}`, { param, expected, got })
}
