import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { replaceFolder, writeAtomic } from '../atomic.js'
import { cacheFolder } from '../cache.js'
import { UprezError } from '../errors.js'
import { type GraphFile, parseCard, UNKNOWN_TRAINING, type UpscaleCard } from '../models/card.js'
import { findModel, type Model, readGraph } from '../models/catalog.js'
import { measureInChild } from './ask-child.js'
import type { Measured } from './measure.js'
import { type OnnxFile, readOnnx } from './onnx-file.js'
import { countParameters } from './parameters.js'
import { findingsTable } from './table.js'

/** Counted up when the same file would be measured to another card. */
const EDITION = 1

export interface FileOptions {
  /** Receives what is being done, a line each. */
  say?: ((line: string) => void) | undefined
}

/**
 * The model that an `.onnx` file is. A card that lies beside it and speaks of this very file is believed: the folder is the model's, or,
 * where the file is one of its variants, a copy of that variant is a model of its own. Without such a card, what one says is found out by
 * running the file once. What is not in its own folder is kept as a model folder in the user's cache, by the file's sha256.
 * @throws UprezError `unknown-model` where there is no such file; `invalid-onnx`, `not-an-upscaler`, `timeout`, `engine-crashed`
 */
export async function modelOfFile(file: string, { say = () => {} }: FileOptions = {}): Promise<Model> {
  const bytes = await readFile(file).catch(cause => {
    const expected = 'an ONNX file'
    throw new UprezError('unknown-model', `Expected ${expected} for model but ${file} cannot be read`, {
      param: 'model',
      expected,
      got: file,
      cause,
    })
  })
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const beside = await modelAt(dirname(file))
  const isThis = (graph: GraphFile) => graph.file === basename(file) && graph.sha256 === sha256
  if (beside && isThis(beside.card.model)) return beside
  const [name, variant] = Object.entries(beside?.card.variants ?? {}).find(([, graph]) => isThis(graph)) ?? []

  if (beside && variant) {
    const id = `${beside.card.id}-${name}`
    return kept(`${sha256}-${beside.version.slice(0, 16)}`, id, bytes, async () => cardOfVariant(id, beside.card, variant))
  }
  const id = idOf(file)
  return kept(sha256, id, bytes, async (copy, folder) => {
    const onnx = readOnnx(bytes, file)
    say(`${file} has no card: finding out once what it should say (kept in ${folder})`)
    const measured = await measureInChild(copy, file, stage => say(`  ${stage} …`))
    const card = cardOf(id, measured, onnx, { file: basename(file), sha256, bytes: bytes.length })
    for (const line of findingLines(card)) say(line)
    return card
  })
}

/** What was found out, a line each, with how sure it is. */
export function findingLines({ training }: UpscaleCard): string[] {
  return findingsTable((training.adopted?.findings ?? []).map(({ what, value, how, why }) => [what, `${value} (${how}: ${why})`]))
}

export const textOf = (card: UpscaleCard): string => `${JSON.stringify(card, null, 2)}\n`

/**
 * The model in a folder of the cache: as it was left, or made of the file and its card.
 * @param id the name that it has now
 * @param cardFor what it says where there is none yet, or a damaged one; of a copy of the file, and the folder to be
 */
async function kept(
  name: string,
  id: string,
  bytes: Uint8Array,
  cardFor: (copy: string, folder: string) => Promise<UpscaleCard>,
): Promise<Model> {
  const folder = join(cacheFolder(), `onnx-${EDITION}`, name)
  const left = await leftModel(folder, id)
  if (left) return left
  await replaceFolder(folder, async temporary => {
    const copy = join(temporary, 'model.onnx')
    await writeFile(copy, bytes)
    await writeFile(join(temporary, 'card.json'), textOf(await cardFor(copy, folder)))
  }).catch(async error => {
    // Another process may have been quicker.
    if (error instanceof UprezError || !(await leftModel(folder, id))) throw error
  })
  return findModel(join(folder, 'card.json'))
}

/** As it was left, under the name that its file has now; undefined where it has to be made (again). */
async function leftModel(folder: string, id: string): Promise<Model | undefined> {
  try {
    const model = await findModel(join(folder, 'card.json'))
    await readGraph(model, model.card.model)
    if (model.card.id === id) return model
    await writeAtomic(join(folder, 'card.json'), textOf({ ...model.card, id, title: titleOf(id, model.card.scale) }))
    return await findModel(join(folder, 'card.json'))
  } catch {
    return undefined
  }
}

function cardOf(id: string, measured: Measured, onnx: OnnxFile, file: { file: string; sha256: string; bytes: number }): UpscaleCard {
  const { input, output, findings, ...figures } = measured
  const card = {
    cardVersion: 1,
    task: 'upscale',
    id,
    title: titleOf(id, figures.scale),
    purpose: `${figures.scale === 1 ? 'Restores pictures' : `Enlarges pictures ${figures.scale} times`}, with a network that was made elsewhere: ${file.file}.`,
    ...figures,
    model: { file: 'model.onnx', sha256: file.sha256, bytes: file.bytes, input, output },
    variants: {},
    parameters: countParameters(onnx),
    training: {
      preset: 'adopted',
      ...UNKNOWN_TRAINING,
      adopted: {
        file: file.file,
        sha256: file.sha256,
        architecture: onnx.name || 'an ONNX graph',
        network: { producer: onnx.producer, irVersion: onnx.irVersion, opsets: onnx.opsets },
        assumed: findings.filter(({ how }) => how === 'assumed').map(({ what, value }) => `${what}: ${value}`),
        findings,
      },
    },
    scores: [],
    parity: null,
    licence: 'unknown',
  }
  return parseCard(card, file.file)
}

/** A variant by itself: what was measured on the canonical file is not known of it. */
function cardOfVariant(id: string, { passes: _, ...card }: UpscaleCard, { sha256, bytes, input, output }: GraphFile): UpscaleCard {
  const model = { file: 'model.onnx', sha256, bytes, input, output }
  return parseCard({ ...card, id, title: titleOf(id, card.scale), model, variants: {}, scores: [], parity: null }, 'card.json')
}

const titleOf = (id: string, scale: number) => (scale === 1 ? `${id}: at the picture's own size` : `${id}: ${scale} times larger`)

/** A proper name of what the file is called. */
function idOf(file: string): string {
  const name = basename(file)
    .replace(/\.onnx$/i, '')
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
  return name.replace(/^[^a-z0-9]+/, '').slice(0, 64) || 'model'
}

async function modelAt(folder: string): Promise<Model | undefined> {
  return findModel(resolve(folder, 'card.json')).catch(() => undefined)
}
