import { createHash } from 'node:crypto'
import type { RequestHandler } from 'express'
import { closest } from 'fastest-levenshtein'
import { UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'

/** A model that the server offers. */
export interface ShelvedModel {
  card: UpscaleCard
  folder: string
  /** Tells it from one that lies, or lay, in the same folder at another time. */
  version: string
}

/** The models of one server. */
export interface Shelf {
  readonly models: readonly ShelvedModel[]
  /** Id of the model for requests that name none. It stays, whatever comes and goes. */
  readonly standardId: string
  /** @throws UprezError `unknown-model` where it has gone */
  readonly standard: ShelvedModel
  /** @throws UprezError `unknown-model` with the nearest id */
  find(id: string | undefined): ShelvedModel
  /** From now on these are offered. Requests under way go on with what they found. */
  replace(models: readonly ShelvedModel[]): void
}

/**
 * @param models the first one is the default
 * @param standard id of another default
 * @throws UprezError `unknown-model`
 */
export function createShelf(models: readonly ShelvedModel[], standard?: string): Shelf {
  let offered = models
  const standardId = standard ?? models[0]?.card.id ?? 'none'
  const shelf: Shelf = {
    get models() {
      return offered
    },
    standardId,
    get standard() {
      return shelf.find(standardId)
    },
    find(id = standardId) {
      const model = offered.find(({ card }) => card.id === id)
      if (model) return model
      const ids = offered.map(({ card }) => card.id)
      const expected = ids.length > 0 ? `one of ${ids.join(', ')}` : 'a model in -m, UPREZ_MODELS or ./models'
      const nearest = ids.length > 0 ? `. Did you mean ${closest(id, ids)}?` : ''
      throw new UprezError('unknown-model', `Expected ${expected} for model but received ${id}${nearest}`, {
        param: 'model',
        expected,
        got: id,
      })
    },
    replace(models) {
      offered = models
    },
  }
  shelf.find(undefined)
  return shelf
}

/** `GET /models`: what can be asked for. */
export function listRoute(shelf: Shelf): RequestHandler {
  return (_req, res) => {
    const models = shelf.models.map(({ card }) => ({
      id: card.id,
      title: card.title,
      purpose: card.purpose,
      task: card.task,
      scale: card.scale,
      default: card.id === shelf.standardId,
      parameters: card.parameters,
      scores: card.scores,
      licence: card.licence,
      card: `/models/${card.id}/card.json`,
    }))
    res.set('Cache-Control', 'no-cache').json({ models })
  }
}

/** `GET /models/:id/:file`: the card and the graph files it names, and nothing else in the folder. */
export function fileRoute(shelf: Shelf): RequestHandler {
  return (req, res, next) => {
    const { card, folder } = shelf.find(String(req.params.id))
    const file = String(req.params.file)
    res.set('Cache-Control', 'no-cache')
    if (file === 'card.json') {
      const text = JSON.stringify(card)
      res.set('ETag', `"${createHash('sha256').update(text).digest('hex')}"`)
      return void res.type('application/json').send(text)
    }
    const graphs = [card.model, ...Object.values(card.variants)]
    const graph = graphs.find(graph => graph.file === file)
    if (!graph) {
      const expected = `one of card.json, ${graphs.map(graph => graph.file).join(', ')}`
      throw new UprezError('not-found', `Expected ${expected} of model ${card.id} but received ${file.slice(0, 60)}`, {
        param: 'file',
        expected,
        got: file.slice(0, 60),
      })
    }
    res.set('ETag', `"${graph.sha256}"`).type('application/octet-stream')
    res.sendFile(graph.file, { root: folder, cacheControl: false, lastModified: false, acceptRanges: false }, error => error && next(error))
  }
}
