import { z } from 'zod'
import { FEATURE_NETWORKS } from '../../nets/features/features.js'
import { FEATURE_INPUTS } from '../../nets/features/input.js'

const weight = (value: number) => z.number().nonnegative().default(value)

/** What the generator is asked for, and the critic's game. A weight of 0 leaves a loss out, at no cost. */
export const lossesSchema = z.strictObject({
  pixel: z
    .strictObject({
      weight: weight(1),
      kind: z.enum(['l1', 'l2', 'charbonnier']).default('l1'),
      luma: weight(0).describe('weight of the same loss on luma, beside R, G and B'),
      l2From: z.number().min(0).max(1).default(1).describe('fraction of the steps after which the pixel loss becomes L2'),
    })
    .prefault({}),
  frequency: z.strictObject({ weight: weight(0) }).prefault({}),
  grid: z
    .strictObject({ weight: weight(0).describe("of what repeats with the low side's pixels; 10 holds it against a critic") })
    .prefault({}),
  variation: z.strictObject({ weight: weight(0) }).prefault({}),
  feature: z
    .strictObject({
      weight: weight(0),
      network: z.enum(FEATURE_NETWORKS).default('inception').describe('what looks at the pictures; critic: the one in training'),
      file: z
        .string()
        .optional()
        .describe('vgg19: .pth or .safetensors of torchvision, or a folder with the tfjs model of Keras; model: a folder'),
      input: z.enum(FEATURE_INPUTS).optional().describe('how the network wants its pictures; default: what is right for it'),
      layers: z
        .record(z.string(), z.number().positive())
        .default({})
        .describe('weights by layer; default: those we recommend for the network'),
      criterion: z.enum(['l1', 'l2']).default('l1'),
    })
    .prefault({}),
  texture: z
    .strictObject({ weight: weight(0).describe('Gram matrices of the same layers, with the same weights and criterion') })
    .prefault({}),
  translation: z
    .int()
    .nonnegative()
    .default(0)
    .describe('each result and its original are moved by up to so many pixels before anything compares them; scale - 1 keeps grids away'),
  gan: z
    .strictObject({
      weight: weight(5e-3),
      kind: z.enum(['vanilla', 'lsgan', 'hinge', 'relativistic', 'wasserstein']).default('vanilla'),
      penalty: z.number().positive().default(10).describe('wasserstein: λ of the gradient penalty'),
      drift: weight(1e-3).describe("wasserstein: weight of the critic's squared answers to originals"),
      clip: z.number().positive().optional().describe("wasserstein: bound of the critic's weights, in place of the penalty"),
      criticSteps: z.int().positive().default(1).describe('steps of the critic for each step of the generator'),
    })
    .prefault({}),
  module: z
    .strictObject({ path: z.string(), weight: weight(1) })
    .optional()
    .describe('a loss of your own: a module whose default export is (tf, output, target) => Scalar'),
})

export type Losses = z.infer<typeof lossesSchema>
