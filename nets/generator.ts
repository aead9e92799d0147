import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'
import { type FastConfig, fastFacts, fastGenerator, type NetworkFacts } from './fast.js'

export type { NetworkFacts }
export type GeneratorConfig = FastConfig

/** Makes the generator a configuration describes, with its starting weights (a function of configuration and seed). */
export function makeGenerator(tf: Tf, config: GeneratorConfig, scale: number, seed: number): TF.LayersModel {
  return fastGenerator(tf, config, scale, seed)
}

export function generatorFacts(config: GeneratorConfig, scale: number): NetworkFacts {
  return fastFacts(config, scale)
}
