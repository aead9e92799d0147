import type * as TF from '@tensorflow/tfjs'
import { z } from 'zod'
import { patchCritic, patchSchema } from './critics/patch.js'
import { patchganCritic, patchganSchema } from './critics/patchgan.js'
import { srganCritic, srganSchema } from './critics/srgan.js'
import { unetCritic, unetSchema } from './critics/unet.js'
import type { Tf } from './engine.js'

export const criticSchema = z.discriminatedUnion('kind', [srganSchema, patchSchema, patchganSchema, unetSchema])
export type CriticConfig = z.infer<typeof criticSchema>

/**
 * Makes the critic a configuration describes, with its starting weights (a function of configuration and seed): from
 * [n,side,side,3] in [0,1] to logits, [n,1] or one a patch [n,h,w,1], without a last activation.
 *
 * All name their layers alike, for a feature loss to take: `conv<i>`, `norm<i>` where there is one, `act<i>` the leaky ReLU behind
 * them, `logits` at the end; the numbers are in the drawing of each.
 * @param side pixels a side of the pictures it judges
 * @throws UprezError `invalid-option` where the architecture does not take that side
 */
export function makeCritic(tf: Tf, config: CriticConfig, side: number, seed: number): TF.LayersModel {
  switch (config.kind) {
    case 'srgan':
      return srganCritic(tf, config, side, seed)
    case 'patch':
      return patchCritic(tf, config, side, seed)
    case 'patchgan':
      return patchganCritic(tf, config, side, seed)
    case 'unet':
      return unetCritic(tf, config, side, seed)
  }
}
