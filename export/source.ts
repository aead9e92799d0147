import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UprezError } from '../errors.js'
import { parseCard, type UpscaleCard } from '../models/card.js'
import { listModels } from '../models/catalog.js'

/** What the network's makers say about it, beside its weights; the rest of a card is measured at export. */
export interface About {
  scale: number
  receptiveField: number | null
  sizeMultiple: number
  parameters: number
  flopsPerPixel: number
  training: UpscaleCard['training']
}

/** A trained network in files. */
export interface Source {
  /** Folder of the tfjs LayersModel. */
  network: string
  /** Undefined of a network that stands alone. */
  about: About | undefined
  /** Words and scores of the card it was exported with before. */
  words: Partial<Pick<UpscaleCard, 'id' | 'title' | 'purpose' | 'licence' | 'scores'>>
}

/**
 * Finds the network in a training run (`generator/` with `about.json`, or a folder such as that itself), in a model's own folder
 * (`weights/` beside `card.json`), by a model's id, or in the folder of a tfjs LayersModel that stands alone.
 * @throws UprezError `not-a-run` saying what was looked for
 */
export async function findSource(nameOrFolder: string): Promise<Source> {
  const found = (await sourceIn(nameOrFolder)) ?? (await sourceCalled(nameOrFolder))
  if (found) return found
  const expected =
    'a training run (generator/model.json), a model folder (weights/model.json), a tfjs LayersModel (model.json) or the id of a model with weights'
  throw new UprezError('not-a-run', `${nameOrFolder}: expected ${expected}`, { param: 'RUN', expected, got: nameOrFolder })
}

/**
 * What its makers say about a network, where that has to be known.
 * @throws UprezError `not-a-run`
 */
export function aboutOf({ network, about }: Source): About {
  if (about) return about
  const expected = 'about.json beside model.json, as training writes it'
  throw new UprezError('not-a-run', `${network}: expected ${expected}`, { param: 'RUN', expected, got: 'a network that stands alone' })
}

async function sourceCalled(id: string): Promise<Source | undefined> {
  if (/[/\\]/.test(id)) return undefined
  const model = (await listModels()).find(({ card }) => card.id === id)
  return model && sourceIn(model.folder)
}

async function sourceIn(folder: string): Promise<Source | undefined> {
  for (const run of [join(folder, 'generator'), folder]) {
    if (!existsSync(join(run, 'model.json'))) continue
    const about = join(run, 'about.json')
    return { network: run, about: existsSync(about) ? await readJson<About>(about) : undefined, words: {} }
  }
  const model = join(folder, 'weights')
  if (existsSync(join(model, 'model.json'))) {
    const file = join(folder, 'card.json')
    const { id, title, purpose, licence, scores, ...about } = parseCard(await readJson<unknown>(file), file)
    return { network: model, about, words: { id, title, purpose, licence, scores } }
  }
  return undefined
}

async function readJson<T>(file: string): Promise<T> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as T
  } catch (cause) {
    throw new UprezError('not-a-run', `${file}: not readable as JSON`, { param: 'RUN', expected: 'a JSON file', got: file, cause })
  }
}
