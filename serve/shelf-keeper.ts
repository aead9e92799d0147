import { type FSWatcher, watch } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { placesOfModels } from '../models/catalog.js'
import type { Shelf, ShelvedModel } from './models.js'
import { type Fault, findOffered, type OfferOptions } from './offered.js'

/** Keeps a shelf in step with the folders that its models lie in. */
export interface ShelfKeeper {
  /** Looks at the folders now. Resolves when the shelf is as they are; never rejects. */
  refresh(): Promise<void>
  close(): void
}

export interface ShelfNews {
  /** A model is offered no more, or in another version: no new request will ask for this one. */
  onGone(model: ShelvedModel): void
  /** A line for who runs the server. */
  say(line: string): void
}

/** Copying goes on for a while, and a folder may be exchanged in two steps: a model that is gone is looked for once more after it. */
const PAUSE_MS = 200

/** Follows these folders and those in them from now on: whatever changes there is looked at after a pause. */
export function keepShelf(shelf: Shelf, options: OfferOptions, { onGone, say }: ShelfNews): ShelfKeeper {
  let told = new Set<string>()
  let watchers: FSWatcher[] = []
  let pause: NodeJS.Timeout | undefined
  let due = false
  let working: Promise<void> | undefined
  let closed = false

  // Since the shelf was filled, something may have changed.
  void refresh()
  return {
    refresh,
    close() {
      closed = true
      clearTimeout(pause)
      for (const watcher of watchers) watcher.close()
    },
  }

  function refresh(): Promise<void> {
    due = true
    working ??= updateWhileDue().finally(() => {
      working = undefined
    })
    return working
  }

  async function updateWhileDue(): Promise<void> {
    while (due && !closed) {
      due = false
      // Before they are read, so that no change falls between.
      await follow()
      await update().catch((error: Error) => say(`models stay as they are: ${error.message}`))
    }
  }

  async function update(): Promise<void> {
    let found = await findOffered(options, shelf.models)
    const isGone = ({ card }: ShelvedModel) => found.models.every(model => model.card.id !== card.id)
    if (shelf.models.some(isGone)) {
      await delay(PAUSE_MS, undefined, { ref: false })
      found = await findOffered(options, shelf.models)
    }
    tellNew(found.faults)
    const before = shelf.models
    const gone = before.filter(model => !found.models.includes(model))
    const come = found.models.filter(model => !before.includes(model))
    if (gone.length === 0 && come.length === 0) return
    shelf.replace(found.models)
    gone.forEach(onGone)
    const names = (models: ShelvedModel[]) => models.map(({ card, version }) => `${card.id} (${version.slice(0, 12)})`).join(', ') || 'none'
    say(`models changed: new ${names(come)}; gone ${names(gone)}`)
  }

  async function follow(): Promise<void> {
    const places = await placesOfModels(options).catch(() => [])
    const before = watchers
    watchers = closed ? [] : places.flatMap(watchOne)
    for (const watcher of before) watcher.close()
  }

  function watchOne(folder: string): FSWatcher[] {
    try {
      const watcher = watch(folder, { persistent: false }, changed)
      watcher.on('error', () => {})
      return [watcher]
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOENT') say(`changes in ${folder} are not seen by themselves (${code}); send SIGHUP after one`)
      return []
    }
  }

  function changed(): void {
    pause ??= setTimeout(() => {
      pause = undefined
      void refresh()
    }, PAUSE_MS).unref()
  }

  /** While a model is copied, its fault changes with every look; it is told once. */
  function tellNew(faults: Fault[]): void {
    const nameOf = ({ folder, model }: Fault) => `${folder}@${model?.version}`
    for (const fault of faults) if (!told.has(nameOf(fault))) say(`model skipped: ${fault.error.message}`)
    told = new Set(faults.map(nameOf))
  }
}
