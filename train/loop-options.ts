import { z } from 'zod'

/** What validation may report, and which way is better. */
export const METRICS: Record<string, 'higher' | 'lower'> = { 'PSNR-Y': 'higher', 'SSIM-Y': 'higher', NIQE: 'lower' }

/** How the weights are updated. */
export const optimizerSchema = z.strictObject({
  learningRate: z.number().positive().default(1e-3),
  criticLearningRate: z.number().positive().optional().describe("the critic's; default: the generator's"),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.999),
  epsilon: z.number().positive().default(1e-8),
  clipNorm: z.number().positive().optional().describe('gradients of a larger global norm are scaled down to it'),
  accumulate: z.int().positive().default(1).describe('equal parts of the batch that are trained on one after the other, to save memory'),
})

/** How long a run is and how its learning rate goes. */
export const scheduleSchema = z.strictObject({
  kind: z.enum(['cosine', 'multistep']).default('cosine'),
  steps: z.int().positive().default(20_000),
  warmup: z.int().nonnegative().default(500).describe('steps over which the learning rate rises from 0'),
  minimum: z.number().nonnegative().default(1e-6).describe('cosine: learning rate at the end'),
  milestones: z.array(z.int().positive()).default([]).describe('multistep: the steps after which the learning rate falls'),
  gamma: z.number().positive().max(1).default(0.5).describe('multistep: the factor by which it falls'),
  pixelSteps: z.int().nonnegative().default(0).describe('adversarial recipes: steps without the critic, at the beginning'),
})

/** Steps from one to the next. */
export const everySchema = z.strictObject({
  log: z.int().positive().default(50),
  validate: z.int().positive().default(1000),
  samples: z.int().positive().optional().describe('sheets of samples; default: with every validation'),
  checkpoint: z.int().positive().default(500),
  histograms: z.int().positive().optional().describe('histograms of the weights for TensorBoard; default: none'),
})

export const bestSchema = z.strictObject({
  metric: z
    .enum(Object.keys(METRICS) as [string, ...string[]])
    .default('PSNR-Y')
    .describe('which metric of validation decides what RUN/best holds'),
})

export const keepSchema = z.int().positive().default(2).describe('checkpoints kept, the newest')

export type Schedule = z.infer<typeof scheduleSchema>
