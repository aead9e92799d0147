import type { EngineName } from '../nets/engine.js'
import { useEngine } from '../nets/engine.js'
import { random } from '../test/support/draw.js'
import { type Batch, batchOrder, openBatches } from '../train/batches.js'
import { resolveConfig } from '../train/config.js'
import { openImages } from '../train/images.js'
import { makeRecipe } from '../train/recipes/index.js'
import { convolutionFlops } from './flops.js'
import { serveLines } from './peer.js'
import { BATCH, NETWORKS, type NetworkName, PATCH, residualTrainer, SCALE } from './train-peer.js'

/** One training engine as a program (see peer.ts): `train-child.js ENGINE 32x5` (or `64x16`), `train-child.js ENGINE PRESET PICTURES`. */

export interface TrainReady {
  /** Learned numbers of what is exported. */
  parameters: number
  /** Operations of the convolutions in one step. */
  flops: number
}

export interface TrainAnswer {
  seconds: number
  /** Seconds of these spent waiting for data. */
  waited: number
  /** The most memory that the process has had, in bytes. */
  peak: number
}

/** A training by steps, with its data. */
interface Training {
  parameters: number
  /** The batches of the next step. */
  take(): Promise<Batch[]>
  step(batches: Batch[], step: number): Promise<unknown>
}

const [engine, name, pictures] = process.argv.slice(2) as [EngineName, string, string]
const tf = await useEngine(engine)
await serve(name in NETWORKS ? residual(name as NetworkName) : await preset())
// Native TensorFlow's threads would keep the process.
process.exit()

async function serve({ parameters, take, step }: Training): Promise<void> {
  let steps = 0
  const flops = await convolutionFlops(tf, async () => step(await take(), ++steps))
  await serveLines({ parameters, flops } satisfies TrainReady, async ({ count }: { count: number }): Promise<TrainAnswer> => {
    const start = performance.now()
    let waited = 0
    for (let i = 0; i < count; i++) {
      const asked = performance.now()
      const batches = await take()
      waited += performance.now() - asked
      await step(batches, ++steps)
    }
    return { seconds: (performance.now() - start) / 1000, waited: waited / 1000, peak: process.resourceUsage().maxRSS * 1024 }
  })
}

/** The network that PyTorch trains as well, on noise made beforehand. */
function residual(name: NetworkName): Training {
  const batches = [1, 2, 3, 4].map(seed => {
    const next = random(seed)
    const floats = (side: number) => Float32Array.from({ length: BATCH * side * side * 3 }, next)
    return { low: floats(PATCH), high: floats(PATCH * SCALE) }
  })
  let taken = 0
  const { parameters, step } = residualTrainer(tf, name)
  return { parameters, take: async () => [batches[taken++ % batches.length]!], step: ([batch]) => step(batch!) }
}

/** What `uprez train --preset` does from step to step, in the adversarial phase where there is one, on pictures from files. */
async function preset(): Promise<Training> {
  const config = resolveConfig(name, { engine, 'data.folders': [pictures], 'data.validation': 0, 'schedule.pixelSteps': 0 })
  const recipe = await makeRecipe(tf, config)
  const { training } = await openImages(config, { say: () => {}, busy: () => {}, step: () => {} })
  const stream = openBatches(batchOrder(config, training), 1, () => {})
  let next = 1
  return {
    parameters: recipe.networks[recipe.exportable]!.countParams(),
    async take() {
      const batches: Batch[] = []
      while (batches.length < recipe.batchesPerStep) batches.push(await stream.next(next++))
      return batches
    },
    step: recipe.step,
  }
}
