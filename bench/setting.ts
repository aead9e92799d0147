import type { UpscaleCard } from '../models/card.js'

/** What all rows share. */
export interface Setting {
  /** A smoke run: a few small rounds whose figures mean nothing. */
  quick: boolean
  /** CPUs that both sides may use. */
  threads: number
  card: UpscaleCard
  /** Path of the graph that serving loads, for raw ONNX Runtime. */
  graph: string
  /** For drawn pictures and results; removed at the end. */
  folder: string
  /** A line on stderr. */
  say(line: string): void
}
