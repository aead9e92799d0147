import type { Port } from '../models/card.js'

/** Ranges that networks are trained in, the usual one first; by their names on the command line. */
export const RANGES = { '0..1': [0, 1], '0..255': [0, 255], '-1..1': [-1, 1] } satisfies Record<string, Port['range']>
export type RangeName = keyof typeof RANGES
