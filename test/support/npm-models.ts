import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'
import { loadModel } from '../../nets/model-files.js'

/**
 * Networks that no one here wrote, of npm packages that are installed for the tests alone:
 * `@upscalerjs/esrgan-slim` and `-medium` (MIT, Kevin Scott), `nsfwjs` (MIT, Infinite Red; 4.1.0, since later ones ask for one version of
 * Node, or carry each network three times).
 */

const require = createRequire(import.meta.url)

/** A residual dense network for a scale of 2, 3, 4 or 8. Its pictures are RGB from 0 to 255. */
export function loadEsrgan(tf: Tf, size: 'slim' | 'medium', scale: number): Promise<TF.LayersModel> {
  return loadModel(tf, join(packageFolder(`@upscalerjs/esrgan-${size}`), 'models', `x${scale}`))
}

/** A classifier of five kinds of pictures, RGB from 0 to 1; weights of 8 bits, in scripts. */
export function loadNsfw(tf: Tf, name: 'mobilenet_v2' | 'inception_v3'): Promise<TF.LayersModel> {
  const folder = join(packageFolder('nsfwjs'), 'dist', 'models', name)
  const { modelTopology, weightsManifest } = require(join(folder, 'model.min.js')) as TF.io.ModelJSON
  const [{ paths, weights }] = weightsManifest as [TF.io.WeightsManifestConfig[number]]
  const shards = paths.map(path => Buffer.from(require(join(folder, `${path}.min.js`)) as string, 'base64'))
  const weightData = new Uint8Array(Buffer.concat(shards)).buffer
  return tf.loadLayersModel({ load: async () => ({ modelTopology: modelTopology as object, weightSpecs: weights, weightData }) })
}

/** The classes of layers that `@upscalerjs` brings for its larger networks: MultiplyBeta and, for scale 2, PixelShuffle2x. */
export function upscalerjsLayers(tf: Tf, scale: number): Record<string, new () => TF.layers.Layer> {
  const file = join(packageFolder('@upscalerjs/esrgan-slim'), 'dist/cjs/packages/shared/src/esrgan/esrgan.js')
  const { getESRGANModelDefinition } = require(file) as { getESRGANModelDefinition(options: object): { setup(tf: object): void } }
  const classes: Record<string, new () => TF.layers.Layer> = {}
  const registerClass = (layer: { className: string } & (new () => TF.layers.Layer)) => {
    classes[layer.className] = layer
  }
  // Not into the registry of tfjs, where ours have the same names.
  getESRGANModelDefinition({ scale, meta: { architecture: 'rrdn' } }).setup({ ...tf, serialization: { registerClass } })
  return classes
}

function packageFolder(name: string): string {
  return fileURLToPath(new URL(`../../../node_modules/${name}`, import.meta.url))
}
