import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import type { Tf } from './engine.js'
import { layersOf } from './layers.js'

/**
 * A tfjs LayersModel in a folder: `model.json` (topology, weight names and shapes) and `weights.bin`.
 * The same two files that `tf.loadLayersModel` reads over HTTP.
 */

/**
 * Writes the model as a whole or not at all; a folder that stands there is replaced.
 * @param beside more files of the same folder, by name, with their text
 */
export async function saveModel(model: TF.LayersModel, dir: string, beside: Record<string, string> = {}): Promise<void> {
  await replaceFolder(dir, async temporary => {
    for (const [name, text] of Object.entries(beside)) await writeFile(join(temporary, name), text)
    await model.save({
      save: async artifacts => {
        const { weightData, weightSpecs, modelTopology, format, generatedBy, convertedBy } = artifacts
        const manifest = [{ paths: ['weights.bin'], weights: weightSpecs }]
        const json = { modelTopology, format, generatedBy, convertedBy, weightsManifest: manifest }
        await writeFile(join(temporary, 'model.json'), JSON.stringify(json))
        await writeFile(join(temporary, 'weights.bin'), joined(weightData!))
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } }
      },
    })
  })
}

/**
 * Reads what `saveModel` wrote, our own layers included, and any other layers model whose weights lie beside its `model.json`.
 * @throws UprezError `no-input` when the folder holds no model, `not-a-run` when its files are damaged
 */
export async function loadModel(tf: Tf, dir: string): Promise<TF.LayersModel> {
  const path = join(dir, 'model.json')
  const text = await readFile(path, 'utf8').catch(cause => {
    throw new UprezError('no-input', `${path}: no model stands here`, {
      param: dir,
      expected: 'a folder with model.json and weights.bin',
      cause,
    })
  })
  try {
    const json = JSON.parse(text) as { modelTopology: object; weightsManifest: TF.io.WeightsManifestConfig }
    const parts = await Promise.all(json.weightsManifest.flatMap(({ paths }) => paths).map(path => readFile(join(dir, path))))
    const weightData = new Uint8Array(Buffer.concat(parts)).buffer
    const artifacts = { modelTopology: json.modelTopology, weightSpecs: json.weightsManifest.flatMap(({ weights }) => weights), weightData }
    layersOf(tf)
    return await tf.loadLayersModel({ load: async () => artifacts })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new UprezError('not-a-run', `${dir}: the saved network cannot be read: ${reason}`, { param: dir, cause })
  }
}

/**
 * Fills a temporary folder beside `dir` and renames it into place, so that nobody ever sees half of it.
 * Whatever stood at `dir` is replaced.
 * @throws UprezError `not-writable`
 */
export async function replaceFolder(dir: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  const place = resolve(dir)
  const mark = randomUUID().slice(0, 8)
  const beside = (what: string) => join(dirname(place), `.${basename(place)}.${what}-${mark}`)
  const temporary = beside('new')
  const old = beside('old')
  await mkdir(temporary, { recursive: true }).catch(cause => {
    throw new UprezError('not-writable', `${place}: cannot be written: ${cause.message}`, {
      param: 'output',
      expected: 'a writable folder',
      got: cause.code,
      cause,
    })
  })
  try {
    await fill(temporary)
    await rename(place, old).catch(ignoreMissing)
    await rename(temporary, place).catch(async error => {
      await rename(old, place).catch(ignoreMissing)
      throw error
    })
  } finally {
    await rm(temporary, { recursive: true, force: true })
    await rm(old, { recursive: true, force: true })
  }
}

function ignoreMissing(error: NodeJS.ErrnoException) {
  if (error.code !== 'ENOENT') throw error
}

function joined(data: ArrayBuffer | ArrayBuffer[]): Uint8Array {
  return Array.isArray(data) ? Buffer.concat(data.map(part => new Uint8Array(part))) : new Uint8Array(data)
}
