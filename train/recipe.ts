import type * as TF from '@tensorflow/tfjs'
import type { Adam } from './adam.js'
import type { Batch } from './batches.js'
import type { Pair } from './patch.js'

/**
 * What the loop needs of a training method: its networks and optimizers by name (a checkpoint is all of them), one step,
 * what is measured and shown, and which network is exported. Plain data and functions, so that one network or four fit alike.
 */
export interface Recipe {
  networks: Record<string, TF.LayersModel>
  /** One per network, under the same name. */
  optimizers: Record<string, Adam>
  /** Name of the network that is exported. */
  exportable: string
  /** Numbers beyond weights that a resumed run must go on with, such as running means. */
  memory: Record<string, number>
  /** Batches that one step takes. */
  batchesPerStep: number
  /** Trains on its batches; steps count from 1. Resolves to what is logged; losses are named `loss/…`. Leaves no tensor behind. */
  step(batches: Batch[], step: number): Promise<Record<string, number>>
  /**
   * Measures what would be exported on the images kept for validation.
   * @param onProgress told how many are done, before each
   * @returns numbers by the names of METRICS
   */
  validate(images: Pair[], onProgress: (done: number) => void): Promise<Record<string, number>>
  /** Draws what would be exported makes of some images. */
  samples(images: Pair[]): Promise<Sheet>
  /** What the loss compared features with, for the card; null: no such loss. */
  featureLoss: string | null
}

/** A picture for people. */
export interface Sheet {
  png: Buffer
  width: number
  height: number
  /** What its columns show. */
  title: string
}
