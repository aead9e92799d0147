import { setTimeout as delay } from 'node:timers/promises'
import { UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'
import { servingFile } from '../models/card.js'
import { findModel, readGraph } from '../models/catalog.js'
import type { Precision } from '../models/precision.js'
import type { Depth, LoadedModel } from './job.js'
import type { Begun, OrtThreads } from './ort-threads.js'
import { type Patience, WAITING } from './patience.js'

/**
 * The models in memory: loaded when a job first needs them and kept for the next one; released in every ORT thread when there
 * are too many (the least recently used first) or when nobody will ask for them again, but never while a job uses them.
 */
export interface ModelStore {
  /**
   * Loads it unless it is there.
   * @param version as in `Job.version`
   * @param patience of the job: loading is a step of the one that asks first, and the others wait for it
   * @param depth of the pictures (default 8): those of 16 bits have a session of their own, of the canonical file
   * @throws UprezError `unknown-model`, `invalid-card`, `model-mismatch`, `invalid-option` where it has no file of the precision
   */
  use(folder: string, version: string | undefined, patience: Pick<Patience, 'begin' | 'during'>, depth?: Depth): Promise<ModelInUse>
  /** The card alone, for which nothing is loaded. @throws UprezError `unknown-model`, `invalid-card` */
  card(folder: string, version: string | undefined): Promise<UpscaleCard>
  /** Nobody will ask for it again. */
  forget(folder: string, version: string): void
  list(): LoadedModel[]
}

export interface ModelInUse {
  card: UpscaleCard
  /** Its name in the ORT threads. */
  session: string
  /** Of the graph file that is loaded. */
  sha256: string
  /** To be called once, after the last tile. */
  done(): void
}

interface Kept {
  card: UpscaleCard
  sha256: string
  folder: string
  version: string
  depth: Depth
  bytes: number
  users: number
  forgotten: boolean
  loaded: Promise<void>
}

/**
 * @param budget in bytes, for the estimates of all models together; those in use may exceed it
 * @param precision of the files; a model without such a file is refused
 */
export function createModelStore(
  ort: Pick<OrtThreads, 'count' | 'load' | 'release'>,
  budget: number,
  precision: Precision = 'fp32',
): ModelStore {
  // The least recently used comes first.
  const kept = new Map<string, Kept>()
  const reading = new Map<string, Promise<Kept>>()

  return {
    async use(folder, version, patience, depth = 8) {
      const begun = () => patience.begin(1)
      let model = find(folder, version, depth) ?? (await readOnce(folder, version, depth, begun))
      // It may have been released in the meantime.
      while (kept.get(nameOf(model)) !== model) model = find(folder, version, depth) ?? (await readOnce(folder, version, depth, begun))
      const session = nameOf(model)
      model.users++
      kept.delete(session)
      kept.set(session, model)
      const done = () => {
        model.users--
        trim()
      }
      trim()
      await patience
        .during(WAITING, () => model.loaded)
        .catch(error => {
          // A failed load is forgotten, so that a mended model needs no restart.
          if (kept.get(session) === model) {
            kept.delete(session)
            void ort.release(session)
          }
          throw error
        })
      return { card: model.card, session, sha256: model.sha256, done }
    },
    card: async (folder, version) => {
      const loaded = find(folder, version, 8) ?? find(folder, version, 16)
      return loaded?.card ?? (await patiently(version, () => cardIn(folder))).card
    },
    forget(folder, version) {
      for (const depth of [8, 16] as const) {
        const model = find(folder, version, depth)
        if (model) model.forgotten = true
      }
      trim()
    },
    list: () => [...kept.values()].map(({ card, folder, version, bytes }) => ({ id: card.id, folder, version, bytes })),
  }

  function find(folder: string, version: string | undefined, depth: Depth): Kept | undefined {
    if (version !== undefined) return kept.get(nameOf({ folder, version, depth }))
    return [...kept.values()].findLast(model => model.folder === folder && model.depth === depth)
  }

  function readOnce(folder: string, version: string | undefined, depth: Depth, begun: Begun): Promise<Kept> {
    const name = nameOf({ folder, version: version ?? '', depth })
    const ours = reading.get(name) ?? patiently(version, () => read(folder, depth, begun)).finally(() => reading.delete(name))
    reading.set(name, ours)
    return ours
  }

  async function read(folder: string, depth: Depth, begun: Begun): Promise<Kept> {
    const found = await cardIn(folder)
    const { card, version } = found
    const graph = depth === 16 ? card.model : servingFile(card, precision)
    const name = nameOf({ folder, version, depth })
    const present = kept.get(name)
    if (present) return present
    const file = await readGraph(found, graph)
    const model: Kept = {
      card,
      sha256: graph.sha256,
      folder,
      version,
      depth,
      bytes: ort.count * (graph.bytes + KEPT_BY_SESSION),
      users: 0,
      forgotten: false,
      loaded: ort.load(name, graph, file, begun),
    }
    // Those who wait for it hear of a failure.
    model.loaded.catch(() => {})
    kept.set(name, model)
    return model
  }

  function trim(): void {
    let sum = [...kept.values()].reduce((sum, { bytes }) => sum + bytes, 0)
    for (const [name, model] of kept) {
      if (model.users > 0 || (sum <= budget && !model.forgotten)) continue
      kept.delete(name)
      sum -= model.bytes
      void ort.release(name)
    }
  }
}

/** What a session's arena holds on to beside the weights: measured with 32 channels in tiles of 512. */
const KEPT_BY_SESSION = 200 * 1024 * 1024

const nameOf = ({ folder, version, depth }: Pick<Kept, 'folder' | 'version' | 'depth'>): string =>
  `${folder}@${version}${depth === 16 ? ' 16 bits' : ''}`

const cardIn = (folder: string) => findModel(`${folder}/card.json`)

const PAUSE_MS = 150

/** A model whose version is known was there a moment ago: while its folder is being exchanged, it is looked for again. */
async function patiently<T>(version: string | undefined, read: () => Promise<T>): Promise<T> {
  for (let left = version === undefined ? 0 : 3; ; left--) {
    try {
      return await read()
    } catch (error) {
      const exchanged = error instanceof UprezError && ['unknown-model', 'invalid-card', 'model-mismatch'].includes(error.code)
      if (left === 0 || !exchanged) throw error
      await delay(PAUSE_MS)
    }
  }
}
