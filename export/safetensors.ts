import { resolve } from 'node:path'
import { checkWritable, writeAtomic } from '../atomic.js'
import { communityWeights } from '../nets/community/index.js'
import { useEngine } from '../nets/engine.js'
import { loadModel } from '../nets/model-files.js'
import { safetensors } from '../nets/safetensors.js'
import { findSource } from './source.js'

/**
 * Writes the weights of a trained network for the programs of the community, such as chaiNNer: BasicSR's key names, PyTorch's layout.
 * @param run a training run, a model folder with `weights/`, or a model's id
 * @returns the architecture as these programs call it, and the file's size
 * @throws UprezError `unknown-architecture` where they know no such network; `not-a-run`, `not-writable`
 */
export async function exportSafetensors(run: string, output: string): Promise<{ file: string; architecture: string; bytes: number }> {
  const file = resolve(output)
  const { network } = await findSource(run)
  await checkWritable(file)
  const tf = await useEngine('wasm')
  const model = await loadModel(tf, network)
  const { architecture, weights } = communityWeights(tf, model)
  model.dispose()
  const bytes = safetensors(weights, { format: 'pt', architecture, made_by: 'uprez' })
  await writeAtomic(file, bytes)
  return { file, architecture, bytes: bytes.length }
}
