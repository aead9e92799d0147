import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { replaceFolder } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { Tf } from './engine.js'
import { inTfjsWords } from './keras-ops.js'
import { layersOf } from './layers.js'
import { readShards } from './shards.js'
import { refuseDangling } from './topology.js'

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
 * @throws UprezError `no-input` when the folder holds no model, `unsupported-layer` when tfjs knows a layer's class no more than we do,
 * `not-a-run` when its files are damaged
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
    layersOf(tf)
    const json = JSON.parse(text, inTfjsWords(tf)) as Saved
    refuseOtherThanLayers(dir, json)
    refuseTwins(dir, json.modelTopology)
    refuseDangling(path, json.modelTopology)
    const weightData = await readShards(dir, json.weightsManifest)
    const artifacts = { modelTopology: json.modelTopology, weightSpecs: json.weightsManifest.flatMap(({ weights }) => weights), weightData }
    return await tf.loadLayersModel({ load: async () => artifacts })
  } catch (cause) {
    if (cause instanceof UprezError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    const [, kind, name] = /Unknown (layer|activation): (.+?)\. This may be/.exec(reason) ?? []
    if (kind && name) throw unknownKind(tf, kind, name, text)
    throw new UprezError('not-a-run', `${dir}: the saved network cannot be read: ${reason}`, { param: dir, cause })
  }
}

/** What `model.json` holds of a layers model. */
interface Saved {
  format?: string
  modelTopology: object
  weightsManifest: TF.io.WeightsManifestConfig
}

function refuseOtherThanLayers(dir: string, { format, modelTopology, weightsManifest }: Saved): void {
  const isGraph = format === 'graph-model' || 'node' in (modelTopology ?? {})
  if (modelTopology && weightsManifest && !isGraph) return
  const expected = "a layers model: model.json with 'modelTopology' and 'weightsManifest'"
  const got = isGraph ? 'a graph model, whose layers are gone' : 'another file'
  throw new UprezError('not-a-run', `${join(dir, 'model.json')}: expected ${expected}, got ${got}`, { param: dir, expected, got })
}

/** tfjs would take one of two layers of one name for the other. */
function refuseTwins(dir: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  if ('layers' in value && Array.isArray(value.layers)) {
    const names = (value.layers as { name?: string; config?: { name?: string } }[]).map(({ name, config }) => name ?? config?.name)
    const twin = names.find((name, i) => name !== undefined && names.indexOf(name) < i)
    if (twin !== undefined) {
      const [expected, got] = ['layers of different names', `${names.filter(name => name === twin).length} layers called ${twin}`]
      throw new UprezError('not-a-run', `${join(dir, 'model.json')}: expected ${expected}, got ${got}`, { param: twin, expected, got })
    }
  }
  for (const part of Object.values(value)) refuseTwins(dir, part)
}

/** tfjs names the class, or the activation, that it does not know, but not the layer. */
function unknownKind(tf: Tf, kind: string, name: string, text: string): UprezError {
  let layer = name
  JSON.parse(text, (_, value) => {
    const { name: its, activation } = (value?.config ?? {}) as { name?: string; activation?: unknown }
    const found = kind === 'layer' ? value?.class_name : activation
    if (its !== undefined && typeof found === 'string' && camelCase(found) === name) layer = its
    return value
  })
  const { classNameMap } = tf.serialization.SerializationMap.getMap()
  const base = kind === 'layer' ? tf.layers.Layer : Object.getPrototypeOf(classNameMap.relu![0])
  const known = Object.keys(classNameMap).filter(other => classNameMap[other]![0].prototype instanceof base)
  const what = kind === 'layer' ? 'layer class' : kind
  const message = `layer ${layer}: the ${what} ${name} is not known; known: ${known.sort().join(', ')}; uprez export --layers FILE supplies others`
  return new UprezError('unsupported-layer', message, { param: layer, expected: `a known ${what}`, got: name })
}

/** As tfjs writes the words of a saved network. */
function camelCase(words: string): string {
  return words.replace(/_+(\w)/g, (_, first: string) => first.toUpperCase())
}

function joined(data: ArrayBuffer | ArrayBuffer[]): Uint8Array {
  return Array.isArray(data) ? Buffer.concat(data.map(part => new Uint8Array(part))) : new Uint8Array(data)
}
