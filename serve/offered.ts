import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { UprezError } from '../errors.js'
import { sha256Of } from '../file-sum.js'
import { type GraphFile, servingFile } from '../models/card.js'
import { type CatalogOptions, listModels, type Model } from '../models/catalog.js'
import type { Precision } from '../models/precision.js'
import type { ShelvedModel } from './models.js'

export interface OfferOptions extends CatalogOptions {
  /** Of the files that the engine loads: a model without one cannot be offered. Default fp32. */
  precision?: Precision
}

/** A folder with a card whose model cannot be offered. */
export interface Fault {
  folder: string
  /** Where the card could be read. */
  model: Model | undefined
  error: UprezError
}

/**
 * The models in these folders whose files are all there and as their cards say; where a folder's are not (a copy under way), the one
 * of `present` that was found there before stays.
 * @param present models that need not be looked at again
 * @throws UprezError `unknown-model` for a folder asked for that is not there
 */
export async function findOffered(
  options: OfferOptions,
  present: readonly ShelvedModel[],
): Promise<{ models: ShelvedModel[]; faults: Fault[] }> {
  const faults: Fault[] = []
  const models: ShelvedModel[] = []
  const listed = await listModels(options, (folder, error) => faults.push({ folder, model: undefined, error }))
  for (const model of listed) {
    const known = present.find(({ folder, version }) => folder === model.folder && version === model.version)
    const error = known ? undefined : await faultOf(model, options.precision)
    if (error) faults.push({ folder: model.folder, model, error })
    else models.push(known ?? model)
  }
  const stay = present.filter(({ folder }) => faults.some(fault => fault.folder === folder))
  for (const model of stay) if (models.every(({ card }) => card.id !== model.card.id)) models.push(model)
  return { models, faults }
}

/** Reads files in pieces, so that whoever else is served meanwhile does not notice. */
async function faultOf({ card, folder }: Model, precision: Precision | undefined): Promise<UprezError | undefined> {
  try {
    servingFile(card, precision)
  } catch (error) {
    return error as UprezError
  }
  for (const graph of [card.model, ...Object.values(card.variants)]) {
    const file = join(folder, graph.file)
    const got = await sumOf(file, graph).catch((error: NodeJS.ErrnoException) => error.code ?? 'unreadable')
    if (got === graph.sha256) continue
    const expected = `${graph.bytes} bytes with sha256 ${graph.sha256} (card.json)`
    return new UprezError('model-mismatch', `${file}: expected ${expected} but found ${got}`, { param: graph.file, expected, got })
  }
  return undefined
}

async function sumOf(file: string, { bytes }: GraphFile): Promise<string> {
  const { size } = await stat(file)
  if (size !== bytes) return `${size} bytes`
  return sha256Of(file)
}
