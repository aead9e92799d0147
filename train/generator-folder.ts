import { basename, resolve } from 'node:path'
import { writeError } from '../atomic.js'
import type { UpscaleCard } from '../models/card.js'
import { type NetworkFacts, networkFacts } from '../nets/facts.js'
import { saveModel } from '../nets/model-files.js'
import { type Config, overridesOf } from './config.js'
import type { Recipe } from './recipe.js'

/** `RUN/generator/about.json`: what the exporter puts on the card. */
export interface About extends NetworkFacts {
  scale: number
  training: UpscaleCard['training']
}

/**
 * Writes the network that is exported, with its averaged weights and what a card says about it: the folder is replaced as a whole.
 * @param steps done
 * @param images trained on
 * @throws UprezError `no-space`, `not-writable`
 */
export async function saveGenerator(recipe: Recipe, config: Config, steps: number, images: number, folder: string): Promise<void> {
  const generator = recipe.networks[recipe.exportable]!
  const about: About = { scale: config.scale, ...networkFacts(generator), training: training() }
  await recipe.optimizers[recipe.exportable]!.withAverage(() =>
    saveModel(generator, folder, { 'about.json': `${JSON.stringify(about, null, 2)}\n` }),
  ).catch(error => {
    throw writeError(error, folder)
  })

  function training(): About['training'] {
    const { preset, seed, engine, data, from } = config
    const names = [...data.folders, ...data.pairs.map(({ high }) => high)].map(path => basename(resolve(path)))
    return {
      preset,
      recipe: config.recipe,
      ...(from === undefined ? {} : { from: basename(resolve(from)) }),
      overrides: overridesOf(config),
      steps,
      seed,
      engine: engine!,
      data: [{ name: names.join(' + '), source: data.source, licence: data.licence, images }],
      featureLoss: recipe.featureLoss,
    }
  }
}
