import { z } from 'zod'
import { bsrganSchema, drawBsrgan } from './bsrgan.js'
import type { DegradationPlan } from './plan.js'
import { drawRealEsrgan, realEsrganSchema } from './real-esrgan.js'

/** How the low side is made from a picture. */
export const degradationSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('bicubic') }),
  bsrganSchema,
  realEsrganSchema,
])

export type DegradationOptions = z.infer<typeof degradationSchema>

/**
 * Draws what is to be done to one picture; its result has 1/scale of the picture's sides.
 * @param random numbers in [0, 1): the same ones give the same plan
 */
export function drawDegradation(options: DegradationOptions, scale: number, random: () => number): DegradationPlan {
  if (options.kind === 'bicubic' || random() < options.clean) return [{ op: 'resize', to: 1 / scale, method: 'antialiased' }]
  return options.kind === 'bsrgan' ? drawBsrgan(options, scale, random) : drawRealEsrgan(options, scale, random)
}

export { applyDegradation } from './apply.js'
export { type DegradationPlan, describeDegradation } from './plan.js'
