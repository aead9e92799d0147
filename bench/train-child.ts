import type { EngineName } from '../nets/engine.js'
import { useEngine } from '../nets/engine.js'
import { random } from '../test/support/draw.js'
import type { Batch } from '../train/batches.js'
import { resolveConfig } from '../train/config.js'
import { pixelRecipe } from '../train/recipe.js'
import { serveLines } from './peer.js'
import type { Trainer } from './train-peer.js'
import { BATCH, PATCH, residualTrainer, SCALE } from './train-peer.js'

/** One training engine as a program (see peer.ts): `train-child.js ENGINE 32x5|fast-x4`. Peer of peers/train.py. */

export interface TrainReady {
  parameters: number
}

export interface TrainAnswer {
  seconds: number
}

const [engine, network] = process.argv.slice(2) as [EngineName, '32x5' | 'fast-x4']
const tf = await useEngine(engine)
const trainer = network === '32x5' ? residualTrainer(tf) : presetTrainer()
const batches = [1, 2, 3, 4].map(noise)
let steps = 0

await serveLines({ parameters: trainer.parameters } satisfies TrainReady, async ({ count }: { count: number }): Promise<TrainAnswer> => {
  const start = performance.now()
  for (let i = 0; i < count; i++) await trainer.step(batches[++steps % batches.length]!, steps)
  return { seconds: (performance.now() - start) / 1000 }
})
// Native TensorFlow's threads would keep the process.
process.exit()

/** The step of `uprez train --preset fast-x4`, its own batch and patch size included. */
function presetTrainer(): Trainer {
  const config = resolveConfig('fast-x4', { engine })
  if (config.data.batch !== BATCH || config.data.patch !== PATCH || config.scale !== SCALE)
    throw new Error('the preset fast-x4 has other batches')
  const recipe = pixelRecipe(tf, config)
  return { parameters: recipe.networks[recipe.exportable]!.countParams(), step: recipe.step }
}

function noise(seed: number): Batch {
  const next = random(seed)
  const floats = (side: number) => Float32Array.from({ length: BATCH * side * side * 3 }, next)
  return { low: floats(PATCH), high: floats(PATCH * SCALE) }
}
