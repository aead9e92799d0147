import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vite'

/**
 * Puts the models beside the page, so that it needs no server of ours: `models/index.json` lists them,
 * `models/<id>/` holds each card and its graph files. While developing the same addresses are served from the folder.
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

interface Entry {
  id: string
  title: string
  purpose: string
  scale: number
}

function modelFiles(folder: string): Map<string, () => string | Uint8Array> {
  const files = new Map<string, () => string | Uint8Array>()
  const entries: Entry[] = []
  for (const id of readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)) {
    const names = readdirSync(join(folder, id)).filter(name => name === 'card.json' || name.endsWith('.onnx'))
    if (!names.includes('card.json')) continue
    const { title, purpose, scale } = JSON.parse(readFileSync(join(folder, id, 'card.json'), 'utf8')) as Entry
    entries.push({ id, title, purpose, scale })
    for (const name of names) files.set(`${id}/${name}`, () => readFileSync(join(folder, id, name)))
  }
  files.set('index.json', () => JSON.stringify({ models: entries }))
  return files
}
