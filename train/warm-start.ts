import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import { findModel } from '../models/catalog.js'
import type { Tf } from '../nets/engine.js'
import { loadModel } from '../nets/model-files.js'
import { assignFlat, otherVariables, trainableVariables } from './adam.js'
import { newestCheckpoint, vectorOf } from './checkpoint.js'
import type { Config } from './config.js'
import type { Recipe } from './recipe.js'
import { openCritic } from './recipes/tools.js'
import { readConfig } from './run-folder.js'

/**
 * Begins the networks of a recipe with trained weights, as `from` (generator) and `fromCritic` ask, layer by layer: same
 * name, same shapes. So a ×2 generator can begin from a ×4 one, all but its last layer.
 * @throws UprezError `unknown-model`, `no-input` where there are no weights, `run-mismatch` where no layer fits,
 * `invalid-option` for a critic's weights where the recipe, or the run they are of, has none
 */
export async function warmStart(tf: Tf, config: Config, recipe: Recipe, say: (line: string) => void): Promise<void> {
  const { from, fromCritic } = config
  if (from !== undefined) await begin('generator', 'from', from, async () => loadModel(tf, await generatorFolder(from)))
  if (fromCritic !== undefined) await begin('critic', 'fromCritic', fromCritic, () => loadCritic(tf, fromCritic, say))

  async function begin(name: 'generator' | 'critic', param: string, from: string, load: () => Promise<TF.LayersModel>): Promise<void> {
    const network = recipe.networks[name]
    if (!network) {
      throw new UprezError('invalid-option', `the recipe ${config.recipe} has no critic to begin from ${from}`, {
        param,
        expected: 'an adversarial recipe',
        got: config.recipe,
      })
    }
    const source = await load()
    try {
      const { taken, fresh } = takeOver(network, source, from, param)
      recipe.optimizers[name]!.restart()
      say(`${name}: ${taken} layers begin with the weights of ${from}${fresh.length > 0 ? `, anew: ${fresh.join(', ')}` : ''}`)
    } finally {
      source.dispose()
    }
  }
}

/** Copies what fits. @returns how many layers took their weights over, and the names of those that begin anew */
function takeOver(network: TF.LayersModel, source: TF.LayersModel, from: string, param: string): { taken: number; fresh: string[] } {
  const layers = network.layers.filter(({ weights }) => weights.length > 0)
  const fresh = layers.filter(layer => {
    const theirs = source.layers.find(({ name }) => name === layer.name)
    const fits = theirs && JSON.stringify(shapesOf(theirs)) === JSON.stringify(shapesOf(layer))
    if (fits) layer.setWeights(theirs.getWeights())
    return !fits
  })
  if (fresh.length < layers.length) return { taken: layers.length - fresh.length, fresh: fresh.map(({ name }) => name) }
  throw new UprezError('run-mismatch', `no layer of ${from} fits this network; ${otherwise(param)}`, {
    param,
    expected: `layers such as ${describe(network)}`,
    got: describe(source),
  })
}

/** A run's folder, a folder that holds a network itself (such as RUN/best), a model's folder, or its id. */
async function generatorFolder(from: string): Promise<string> {
  const found = [from, join(from, 'generator'), join(from, 'weights')].find(folder => existsSync(join(folder, 'model.json')))
  if (found) return found
  const { folder } = await findModel(from).catch(cause => {
    throw new UprezError('unknown-model', `the generator cannot begin from ${from}: ${(cause as Error).message}; ${otherwise('from')}`, {
      param: 'from',
      expected: 'a run, the folder of a model, or its id',
      got: from,
      cause,
    })
  })
  const weights = join(folder, 'weights')
  if (existsSync(weights)) return weights
  throw new UprezError('no-input', `the model ${from} was installed without the weights to train on; ${otherwise('from')}`, {
    param: 'from',
    expected: 'a model with a folder weights',
    got: folder,
  })
}

/** A preset may name a beginning that its user does not have, or whose layers do not fit what was set. */
function otherwise(param: string): string {
  return `begin with another by --set ${param}=…, or anew by --set ${param}=null`
}

/** A critic is kept in the checkpoints of its run only: made as that run's configuration says, then given its numbers. */
async function loadCritic(tf: Tf, run: string, say: (line: string) => void): Promise<TF.LayersModel> {
  const config = await readConfig(run)
  if (!config) {
    throw new UprezError('not-a-run', `${run} is no training run: it has no config.json`, {
      param: 'fromCritic',
      expected: 'the folder of an adversarial run',
      got: run,
    })
  }
  const file = await newestCheckpoint(join(run, 'checkpoint'), 'fromCritic', say)
  if (!file.vectors.has('critic.parameters')) {
    throw new UprezError('invalid-option', `${run} has no critic: it was trained by the recipe ${config.recipe}`, {
      param: 'fromCritic',
      expected: 'the folder of an adversarial run',
      got: run,
    })
  }
  const critic = openCritic(tf, config)
  for (const [name, variables] of [
    ['critic.parameters', trainableVariables(critic)],
    ['critic.others', otherVariables(critic)],
  ] as const) {
    const size = variables.reduce((sum, variable) => sum + variable.size, 0)
    if (size > 0) tf.tidy(() => assignFlat(tf, [...variables], tf.tensor1d(vectorOf(file, name, size))))
  }
  return critic
}

function shapesOf(layer: TF.layers.Layer): unknown {
  return layer.weights.map(({ shape }) => shape)
}

function describe(network: TF.LayersModel): string {
  const layer = network.layers.find(({ weights }) => weights.length > 0)
  return layer ? `${layer.name} ${JSON.stringify(shapesOf(layer))}` : 'no layer with weights'
}
