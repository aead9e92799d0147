import { z } from 'zod'
import { integer, pick } from '../random.js'
import type { ResizeMethod } from './plan.js'

/** Two numbers, the smaller first, from which a value is drawn uniformly. */
export function range(least: number, most: number, byDefault: [number, number]) {
  const bound = z.number().min(least).max(most)
  return z
    .tuple([bound, bound])
    .refine(([from, to]) => from <= to, 'the smaller number comes first')
    .default(byDefault)
}

/** Odd sides of kernels, the smaller first. */
export function sizes(byDefault: [number, number]) {
  return range(3, 51, byDefault)
    .refine(bounds => bounds.every(side => side % 2 === 1), 'two odd numbers')
    .describe('side of the kernel in pixels')
}

export function probability(byDefault: number) {
  return z.number().min(0).max(1).default(byDefault)
}

/** How often something is taken beside its neighbours; together they need not make 1. */
export function weight(byDefault: number) {
  return z.number().nonnegative().default(byDefault).describe('how often, beside its neighbours')
}

export const cleanSchema = probability(0).describe('share of samples that are only reduced by bicubic, so that clean pictures stay clean')

export function drawSide([least, most]: [number, number], random: () => number): number {
  return least + 2 * integer(random, (most - least) / 2 + 1)
}

/** One of the three of both papers. */
export function drawMethod(random: () => number): ResizeMethod {
  return pick(random, { area: 1, bilinear: 1, bicubic: 1 })
}
