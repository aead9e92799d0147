import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import type { Tf } from './engine.js'
import { encoderDecoderGenerator, encoderDecoderSchema } from './generators/encoder-decoder.js'
import { fastGenerator, fastSchema } from './generators/fast.js'
import { fsrcnnGenerator, fsrcnnSchema } from './generators/fsrcnn.js'
import { msrresnetGenerator, msrresnetSchema } from './generators/msrresnet.js'
import { rrdbGenerator, rrdbSchema } from './generators/rrdb.js'
import { srcnnGenerator, srcnnSchema } from './generators/srcnn.js'
import { srresnetGenerator, srresnetSchema } from './generators/srresnet.js'
import { srvggGenerator, srvggSchema } from './generators/srvgg.js'

/** The options of every generator; `kind` tells which. */
export const generatorSchema = z.discriminatedUnion('kind', [
  fastSchema,
  srcnnSchema,
  fsrcnnSchema,
  srresnetSchema,
  msrresnetSchema,
  rrdbSchema,
  encoderDecoderSchema,
  srvggSchema,
])

export type GeneratorConfig = z.infer<typeof generatorSchema>
export type GeneratorKind = GeneratorConfig['kind']

type Generator<Kind extends GeneratorKind> = (
  tf: Tf,
  config: Extract<GeneratorConfig, { kind: Kind }>,
  scale: number,
  seed: number,
) => TF.LayersModel

const GENERATORS: { [Kind in GeneratorKind]: Generator<Kind> } = {
  fast: fastGenerator,
  srcnn: srcnnGenerator,
  fsrcnn: fsrcnnGenerator,
  srresnet: srresnetGenerator,
  msrresnet: msrresnetGenerator,
  rrdb: rrdbGenerator,
  'encoder-decoder': encoderDecoderGenerator,
  srvgg: srvggGenerator,
}

/**
 * Makes the generator a configuration describes, with its starting weights (a function of configuration and seed):
 * float NHWC [n,h,w,3] in [0,1] → [n,h·scale,w·scale,3].
 * @param scale 1 to 4
 * @throws UprezError `invalid-option` where the architecture cannot have that scale
 */
export function makeGenerator(tf: Tf, config: GeneratorConfig, scale: number, seed: number): TF.LayersModel {
  const make = GENERATORS[config.kind] as Generator<GeneratorKind>
  return make(tf, config as never, scale, seed)
}
