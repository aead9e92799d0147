import { closest } from 'fastest-levenshtein'
import { UprezError } from '../errors.js'
import { type GraphFile, parseCard, type UpscaleCard } from '../models/card.js'

/** A model over HTTP: its card, and graph files fetched when a session wants one. */
export interface Model {
  card: UpscaleCard
  /** @throws UprezError `unknown-model`, `model-mismatch` */
  fetchGraph(file: GraphFile): Promise<Uint8Array<ArrayBuffer>>
}

/**
 * @param folder address of the model's folder, ending in '/'
 * @param models address of the folder of models, for suggesting a name; null: suggest nothing
 * @throws UprezError `unknown-model`, `invalid-card`
 */
export async function fetchModel(folder: string, models: string | null): Promise<Model> {
  const address = `${folder}card.json`
  const value = await fetchBytes(address)
    .then(bytes => JSON.parse(new TextDecoder().decode(bytes)) as unknown)
    .catch(async cause => {
      const name = decodeURIComponent(folder.split('/').at(-2) ?? '')
      throw new UprezError(
        'unknown-model',
        `There is no model at ${folder} (card.json: ${messageOf(cause)}).${await suggestion(name, models)}`,
        { param: 'model', got: name, cause },
      )
    })
  const card = parseCard(value, address)
  return { card, fetchGraph: file => fetchGraph(folder, file) }
}

async function fetchGraph(folder: string, file: GraphFile): Promise<Uint8Array<ArrayBuffer>> {
  const address = `${folder}${file.file}`
  const bytes = await fetchBytes(address).catch(cause => {
    throw new UprezError('unknown-model', `The model file ${address} could not be fetched: ${messageOf(cause)}`, {
      param: 'model',
      got: file.file,
      cause,
    })
  })
  await checkSha256(bytes, file, address)
  return bytes
}

// crypto.subtle exists in secure contexts only (https, localhost); elsewhere the length has to do.
async function checkSha256(bytes: Uint8Array<ArrayBuffer>, file: GraphFile, address: string): Promise<void> {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined
  const [expected, got] = subtle
    ? [file.sha256, hex(await subtle.digest('SHA-256', bytes))]
    : [`${file.bytes} bytes`, `${bytes.length} bytes`]
  if (expected === got) return
  throw new UprezError('model-mismatch', `${address} does not match its card: expected ${expected}, got ${got}`, {
    param: 'model',
    expected,
    got,
  })
}

async function suggestion(name: string, models: string | null): Promise<string> {
  if (models === null) return ''
  const known = await fetchBytes(`${models}index.json`)
    .then(bytes => JSON.parse(new TextDecoder().decode(bytes)) as { models: { id: string }[] })
    .then(index => index.models.map(model => model.id))
    .catch(() => [])
  return known.length === 0 ? '' : ` Did you mean '${closest(name, known)}'?`
}

async function fetchBytes(address: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(address)
  if (!response.ok) throw new Error(`HTTP ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

const hex = (digest: ArrayBuffer) => Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join('')

const messageOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))
