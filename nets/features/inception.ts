import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import type * as TF from '@tensorflow/tfjs'
import { replaceFolder } from '../../atomic.js'
import { cacheFolder } from '../../cache.js'
import { UprezError } from '../../errors.js'
import { setupCommand } from '../../setup-command.js'
import type { Tf } from '../engine.js'
import { loadModel } from '../model-files.js'
import { fetchPackage, unpackPackage } from '../npm-package.js'

/**
 * A pretrained network that npm brings: the package nsfwjs (MIT, Infinite Red) carries an InceptionV3 that was trained on
 * ImageNet and then taught to tell kinds of pictures apart, with weights of 8 bits. The package has 25 MB and is needed for
 * feature losses alone, so it is no dependency: `uprez setup features` fetches it once into the user's cache folder.
 *
 * Its first layers are plain: three 3×3 convolutions (the first with stride 2), a maximum pooling, a 1×1 and a 3×3
 * convolution, each with batch normalisation and ReLU. `batch_normalization_5` is the last of these before activation, 192
 * channels at a quarter of the size. What they are good for, and why not the package's MobileNetV2: docs/features.md.
 */
const PACKAGE = 'nsfwjs@4.4.0'
const SHA512 = 'krC1fgeTLXtZwgdpKJ0jm7hqv0gTSRQQRL+FhOaxaJ9Wj92t42BO3csO2odwgTAgZgf2RvkwPtp0R8Aa7dc+MA=='

export const INCEPTION_TITLE = `InceptionV3 of ${PACKAGE}`

/** The last asks for texture wherever it lies, the first keeps edges in place: measured in docs/features.md. */
export const INCEPTION_LAYERS = { batch_normalization_3: 0.3, batch_normalization_5: 1 }

/** @throws UprezError `missing-feature-network` where `setup features` has not been run */
export async function loadInception(tf: Tf): Promise<TF.LayersModel> {
  const folder = inceptionFolder()
  if (existsSync(folder)) return loadModel(tf, folder)
  throw new UprezError('missing-feature-network', `${INCEPTION_TITLE} is not set up; run \`${setupCommand('features')}\` (25 MB)`, {
    param: 'losses.feature.network',
    expected: folder,
    got: 'no such folder',
  })
}

/** Where `setup features` puts the model. */
export function inceptionFolder(): string {
  return join(cacheFolder(), `${PACKAGE.replace('@', '-')}-inception`)
}

/**
 * Fetches the package with npm, checks it, and writes its InceptionV3 as a model folder into the cache. Does nothing where
 * it stands already.
 * @param say receives one line per stage
 * @throws UprezError `missing-feature-network` naming what failed
 */
export async function setupFeatures(say: (line: string) => void): Promise<'ready' | 'made'> {
  if (existsSync(inceptionFolder())) return 'ready'
  say(`downloading ${PACKAGE} with npm (25 MB)`)
  const packed = await fetchPackage(PACKAGE, SHA512, failed)
  say('unpacking its InceptionV3')
  await unpackInception(packed, inceptionFolder())
  return 'made'
}

/** Writes the InceptionV3 of the packed npm package as a model folder, which appears whole or not at all. */
export async function unpackInception(packed: Uint8Array, folder: string): Promise<void> {
  const files = unpackPackage(packed)
  const module = (name: string) => evaluate(files.get(`package/dist/models/inception_v3/${name}.min.js`)!)
  const { modelTopology, weightsManifest } = module('model') as Pick<TF.io.ModelJSON, 'modelTopology' | 'weightsManifest'>
  const [group] = weightsManifest
  const shards = group!.paths.map(path => Buffer.from(module(path) as string, 'base64'))
  const json = { modelTopology, weightsManifest: [{ ...group, paths: ['weights.bin'] }] }
  await replaceFolder(folder, async temporary => {
    await writeFile(join(temporary, 'LICENSE'), files.get('package/LICENSE')!)
    await writeFile(join(temporary, 'model.json'), JSON.stringify(json))
    await writeFile(join(temporary, 'weights.bin'), Buffer.concat(shards))
  })
}

/** What a CommonJS module exports, run with nothing of ours in reach. */
function evaluate(code: Buffer): unknown {
  const module = { exports: {} }
  runInNewContext(code.toString(), { module, exports: module.exports })
  return module.exports
}

function failed(message: string): UprezError {
  return new UprezError('missing-feature-network', message, { param: 'losses.feature.network', expected: PACKAGE })
}
