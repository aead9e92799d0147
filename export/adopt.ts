import { basename, extname } from 'node:path'
import { UprezError } from '../errors.js'
import { sha256Of } from '../file-sum.js'
import { UNKNOWN_TRAINING, type UpscaleCard } from '../models/card.js'
import type { Weights } from '../nets/community/architecture.js'
import { build, type Recognised, recognise } from '../nets/community/index.js'
import { useEngine } from '../nets/engine.js'
import { networkFacts } from '../nets/facts.js'
import { readSafetensors } from '../nets/safetensors.js'
import { readTorchFile } from '../nets/torch-file.js'
import { adoptFile } from '../probe/adopt.js'
import { isOnnxFile } from '../probe/model-folder.js'
import { checkOutput, exportNetwork, type OutputOptions } from './export.js'

export interface AdoptOptions extends OutputOptions {
  /** Weights that were trained with PyTorch, `.safetensors`, `.pth` or `.pt`; or an `.onnx` file. */
  file: string
}

/**
 * Makes a model folder of weights that the community trained. What network they belong to is read off their keys and shapes; it is
 * built from our own layers, and exported and proven as one that was trained here. An `.onnx` file stays as it is, and its card says what
 * was found out by running it.
 * @throws UprezError `unknown-architecture`, `invalid-weights`, `unsafe-weights`, `no-input`, and what `exportRun` throws
 */
export async function adopt(options: AdoptOptions): Promise<{ dir: string; card: UpscaleCard }> {
  const { file, say = () => {} } = options
  const { id, dir } = await checkOutput(options)
  if (isOnnxFile(file)) return adoptFile({ ...options, id, dir })
  const weights = await readWeights(file)
  const found = recognise(weights, file)
  say(describe(found))

  const tf = await useEngine(options.engine ?? 'wasm')
  const model = build(tf, found, weights)
  const training = await trainingOf(found, file)
  const title = `${id}: ${found.architecture}, ${found.scale} times larger`
  const purpose = `Enlarges pictures ${found.scale} times, with weights that were trained elsewhere: ${basename(file)}.`
  const about = { scale: found.scale, ...networkFacts(model), training }
  return exportNetwork(tf, model, about, { title, purpose, licence: 'unknown' }, options)
}

/**
 * The tensors of a file of weights, by key.
 * @throws UprezError `invalid-weights`, `unsafe-weights`, `no-input`
 */
export async function readWeights(file: string): Promise<Weights> {
  const kind = extname(file).toLowerCase()
  if (kind !== '.safetensors' && kind !== '.pth' && kind !== '.pt') {
    const expected = 'weights in a .safetensors, .pth or .pt file, or a model in an .onnx file'
    throw new UprezError('invalid-weights', `${file}: expected ${expected}`, { param: 'file', expected, got: kind || 'no ending' })
  }
  const weights = await (kind === '.safetensors' ? readSafetensors(file) : readTorchFile(file))
  // What was trained on several GPUs at once has its keys in a wrapper.
  const wrapper = /^module\./
  const wrapped = [...weights.keys()].every(key => wrapper.test(key))
  return wrapped ? new Map([...weights].map(([key, weight]) => [key.replace(wrapper, ''), weight])) : weights
}

function describe({ architecture, network, scale, assumed }: Recognised): string {
  const { kind: _, ...options } = network
  const told = Object.entries(options).map(([name, value]) => `${name} ${value}`)
  return [`${architecture} ×${scale}: ${told.join(', ')}`, ...assumed.map(what => `assumed: ${what}`)].join('; ')
}

async function trainingOf({ architecture, network, assumed }: Recognised, file: string): Promise<UpscaleCard['training']> {
  return {
    preset: 'adopted',
    ...UNKNOWN_TRAINING,
    adopted: { file: basename(file), sha256: await sha256Of(file), architecture, network, assumed },
  }
}
