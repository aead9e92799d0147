import { basename, resolve } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { writeError } from '../atomic.js'
import type { UpscaleCard } from '../models/card.js'
import { generatorFacts, type NetworkFacts } from '../nets/generator.js'
import { saveModel } from '../nets/model-files.js'
import { type Config, overridesOf } from './config.js'

/** `RUN/generator/about.json`: what the exporter puts on the card. */
export interface About extends NetworkFacts {
  scale: number
  training: UpscaleCard['training']
}

/**
 * Writes the generator as it stands (the caller has put the averaged weights in) with what a card says about it:
 * the folder is replaced as a whole.
 * @throws UprezError `no-space`, `not-writable`
 */
export async function saveGenerator(
  generator: TF.LayersModel,
  config: Config,
  steps: number,
  images: number,
  folder: string,
): Promise<void> {
  const about: About = {
    scale: config.scale,
    ...generatorFacts(config.network, config.scale),
    training: {
      preset: config.preset,
      overrides: overridesOf(config),
      steps,
      seed: config.seed,
      engine: config.engine!,
      data: [
        {
          name: config.data.folders.map(path => basename(resolve(path))).join(' + '),
          source: config.data.source,
          licence: config.data.licence,
          images,
        },
      ],
      featureLoss: null,
    },
  }
  await saveModel(generator, folder, { 'about.json': `${JSON.stringify(about, null, 2)}\n` }).catch(error => {
    throw writeError(error, folder)
  })
}
