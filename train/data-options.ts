import { z } from 'zod'
import { range } from './degradations/options.js'

/** What a run learns from. */
export const dataSchema = z.strictObject({
  folders: z.array(z.string()).default([]).describe('folders of images, searched recursively; as `--data`'),
  pairs: z
    .array(z.strictObject({ low: z.string().min(1), high: z.string().min(1) }))
    .default([])
    .describe('folders whose images are given at both sizes, under the same names'),
  patch: z.int().min(4).max(512).default(48).describe('side of the low-resolution patch'),
  batch: z.int().min(1).max(256).default(16).describe('patches in a batch'),
  validation: z.int().min(0).default(12).describe('images kept out of training to measure on, half of them at most'),
  jitter: range(0.1, 1, [1, 1]).describe('originals are reduced by a random factor between these before they are cropped'),
  reuse: z
    .int()
    .min(1)
    .max(1000)
    .default(8)
    .describe('batches that a degraded or jittered crop takes part in, each time at another place: fewer cost more time'),
  workers: z.int().min(0).max(64).default(0).describe('threads that make batches; 0: by the number of cores and the degradation'),
  cacheMb: z.int().min(0).default(2048).describe('decoded images kept in memory; changes speed only'),
  source: z.string().default('not stated').describe('where the images come from, for the card'),
  licence: z.string().default('not stated').describe('licence of the images, for the card'),
})

export type DataOptions = z.infer<typeof dataSchema>
