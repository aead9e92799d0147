import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { closest } from 'fastest-levenshtein'
import { UprezError } from '../errors.js'
import type { Card, GraphFile } from './card.js'
import { parseCard } from './card.js'

/** A model on disk: its card and the folder that holds `card.json` and the graph files. */
export interface Model {
  card: Card
  folder: string
  /** SHA-256 of `card.json`: two models with one version are the same to the last weight, since the card holds the sums of its files. */
  version: string
}

export interface CatalogOptions {
  /** A folder of models, or the folder of one model; looked at before all others (`-m`). */
  modelPath?: string | undefined
}

/**
 * Finds a model by its id, or by the path of its folder (anything with a separator in it is a path:
 * never pass on a stranger's string before it is known to be an id).
 * Folders are asked in this order: `modelPath`, the folders of UPREZ_MODELS, `./models`, the package's own.
 * @throws UprezError `unknown-model` with the nearest id, `invalid-card`
 */
export async function findModel(nameOrPath: string, options: CatalogOptions = {}): Promise<Model> {
  if (/[/\\]/.test(nameOrPath) || nameOrPath === '.' || nameOrPath === '..') return modelAtPath(nameOrPath)
  for (const folder of await searchFolders(options)) {
    const model = await modelIn(join(folder, nameOrPath))
    if (model) return model
  }
  // A single model's folder given as `modelPath` answers to its card's id, whatever the folder is called.
  const all = await listModels(options)
  const named = all.find(model => model.card.id === nameOrPath)
  if (named) return named
  throw unknownModel(
    nameOrPath,
    all.map(model => model.card.id),
  )
}

/** The model that is used where none is named. */
export const DEFAULT_MODEL = 'fast-x4'

/**
 * The model that `-n` and `-m` mean: the one named; the one whose folder `-m` is; else the default.
 * @throws UprezError `unknown-model` with the nearest id, `invalid-card`
 */
export async function chooseModel(name: string | undefined, modelPath: string | undefined): Promise<Model> {
  const alone = name === undefined && modelPath !== undefined ? await modelIn(modelPath) : undefined
  return alone ?? findModel(name ?? DEFAULT_MODEL, { modelPath })
}

/**
 * Every model that can be found, first come first served where two folders hold the same id.
 * @param onFault is told of a folder whose card is wrong, and the others are listed all the same
 * @throws UprezError `invalid-card`, without `onFault`
 */
export async function listModels(options: CatalogOptions = {}, onFault?: (folder: string, fault: UprezError) => void): Promise<Model[]> {
  const found = new Map<string, Model>()
  const look = (folder: string) =>
    modelIn(folder).catch((error: UprezError) => {
      if (!onFault) throw error
      onFault(folder, error)
      return undefined
    })
  for (const folder of await searchFolders(options)) {
    const here = await look(folder)
    const inside = here ? [] : await Promise.all((await subfolders(folder)).map(look))
    for (const model of [here, ...inside]) {
      if (model && !found.has(model.card.id)) found.set(model.card.id, model)
    }
  }
  return [...found.values()]
}

/** The folders in which `listModels` looks for cards, existing or not. @throws UprezError `unknown-model` */
export async function placesOfModels(options: CatalogOptions = {}): Promise<string[]> {
  const folders = await searchFolders(options)
  return [...folders, ...(await Promise.all(folders.map(subfolders))).flat()]
}

/**
 * Reads one graph file of a model and makes sure that it is the one that its card describes.
 * @throws UprezError `model-mismatch` showing both sums
 */
export async function readGraph(model: Pick<Model, 'card' | 'folder'>, graph: GraphFile): Promise<Uint8Array> {
  const file = join(model.folder, graph.file)
  const bytes = await readFile(file).catch(cause => {
    throw new UprezError('model-mismatch', `${file}: the card of ${model.card.id} names this file, but it cannot be read`, {
      param: graph.file,
      expected: graph.sha256,
      got: errorCode(cause) ?? String(cause),
      cause,
    })
  })
  const sum = createHash('sha256').update(bytes).digest('hex')
  if (sum === graph.sha256) return bytes
  throw new UprezError('model-mismatch', `${file}: expected sha256 ${graph.sha256} (card.json) but the file has ${sum}`, {
    param: graph.file,
    expected: graph.sha256,
    got: sum,
  })
}

async function modelAtPath(path: string): Promise<Model> {
  const folder = resolve(basename(path) === 'card.json' ? dirname(path) : path)
  const model = await modelIn(folder)
  if (model) return model
  throw new UprezError('unknown-model', `${path}: expected a model folder with a card.json`, {
    param: 'model',
    expected: 'a model folder with a card.json',
    got: path,
  })
}

function unknownModel(name: string, known: string[]): UprezError {
  const nearest = known.length > 0 ? ` Did you mean ${closest(name, known)}?` : ''
  const expected = known.length > 0 ? `one of ${known.join(', ')}` : 'a model in -m, UPREZ_MODELS or ./models'
  return new UprezError('unknown-model', `Expected ${expected} for model but received ${name}.${nearest}`, {
    param: 'model',
    expected,
    got: name,
  })
}

/** The model whose card lies in this folder, if one does. */
async function modelIn(folder: string): Promise<Model | undefined> {
  const file = join(folder, 'card.json')
  const text = await readFile(file, 'utf8').catch(cause => {
    if (isAbsent(cause)) return undefined
    throw new UprezError('invalid-card', `${file}: ${cause.message}`, { got: file, cause })
  })
  if (text === undefined) return undefined
  const version = createHash('sha256').update(text).digest('hex')
  return { card: parseCard(parseJson(text, file), file), folder: resolve(folder), version }
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new UprezError('invalid-card', `${file}: ${(cause as Error).message}`, { expected: 'JSON', got: file, cause })
  }
}

async function searchFolders({ modelPath }: CatalogOptions): Promise<string[]> {
  if (modelPath !== undefined && !(await isFolder(modelPath))) {
    throw new UprezError('unknown-model', `Expected a folder for model path but received ${modelPath}`, {
      param: 'modelPath',
      expected: 'a folder of models, or of one model',
      got: modelPath,
    })
  }
  const named = (process.env.UPREZ_MODELS ?? '').split(delimiter).filter(folder => folder !== '')
  return [...(modelPath === undefined ? [] : [modelPath]), ...named, 'models', packageModels].map(folder => resolve(folder))
}

/** From `dist/models/catalog.js` to `models/`. */
const packageModels = fileURLToPath(new URL('../../models/', import.meta.url))

async function subfolders(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names
    .filter(name => !name.startsWith('.'))
    .sort()
    .map(name => join(folder, name))
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    s => s.isDirectory(),
    () => false,
  )

const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')

const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code
