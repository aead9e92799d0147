import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vite'
import { parseCard, servingFile } from '../models/card.js'
import { DEFAULT_MODEL } from '../models/catalog.js'

/**
 * Puts the models beside the page, so that it needs no server of ours: `models/index.json` lists them,
 * `models/<id>/` holds each card and the graph files that the page reads: of floats for WebGPU, of bytes
 * for wasm. While developing the same addresses are served from the folder.
 */
export function models(folder: string): Plugin {
  return {
    name: 'uprez-models',
    generateBundle() {
      for (const [fileName, source] of modelFiles(folder))
        this.emitFile({ type: 'asset', fileName: `models/${fileName}`, source: source() })
    },
    configureServer(server) {
      server.middlewares.use('/models/', (request, response, next) => {
        const name = (request.url ?? '').slice(1).split('?')[0]!
        const source = modelFiles(folder).get(name)
        if (!source) return next()
        response.setHeader('Content-Type', name.endsWith('.json') ? 'application/json' : 'application/octet-stream')
        response.end(source())
      })
    },
  }
}

/** What the page wants to know of a model; our server's list tells it, too. */
interface Entry {
  id: string
  title: string
  purpose: string
  scale: number
  default: boolean
  parameters: number
}

function modelFiles(folder: string): Map<string, () => string | Uint8Array> {
  const files = new Map<string, () => string | Uint8Array>()
  const entries: Entry[] = []
  for (const id of readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)) {
    const path = join(folder, id, 'card.json')
    if (!existsSync(path)) continue
    const card = parseCard(JSON.parse(readFileSync(path, 'utf8')), path)
    const { title, purpose, scale, parameters } = card
    entries.push({ id, title, purpose, scale, default: id === DEFAULT_MODEL, parameters })
    for (const name of new Set(['card.json', card.model.file, servingFile(card).file]))
      files.set(`${id}/${name}`, () => readFileSync(join(folder, id, name)))
  }
  files.set('index.json', () => JSON.stringify({ models: entries }))
  return files
}
