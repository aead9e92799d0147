import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Image, Pixels } from '../image/image.js'
import type { UpscaleCard } from '../models/card.js'
import { batchSizes } from './batches.js'
import { onnxruntimeVersion } from './cuda.js'
import type { Begun, OrtThreads } from './ort-threads.js'
import type { Execution } from './providers.js'
import { findTuning, greyWindow, rememberedTuning, type Tuning } from './tuning.js'

/** Finds out, once for each model that is loaded, what it runs fastest with, and has the cards run that before anybody waits for it. */
export interface Tuner {
  /**
   * @param session a loaded model's name in the ORT threads
   * @param sha256 of its file
   */
  prepare(session: string, card: UpscaleCard, sha256: string, begun: Begun): Promise<Tuning>
  /** How many windows like this one go into one run of the model. */
  limit(session: string, window: Image<Pixels>): number
  /** The model was released: loaded again, it must be run anew. */
  forget(session: string): void
}

export function createTuner(ort: Pick<OrtThreads, 'run' | 'warm'>, { provider, devices }: Execution): Tuner {
  const preparing = new Map<string, Promise<Tuning>>()
  const prepared = new Map<string, { batch: number; pixels: number }>()

  return {
    prepare(session, card, sha256, begun) {
      const known = preparing.get(session)
      if (known !== undefined) return known
      const ours = prepare(session, card, sha256, begun)
      preparing.set(session, ours)
      // What has failed may succeed for the next one, as when the card's memory was short.
      ours.catch(() => preparing.get(session) === ours && preparing.delete(session))
      return ours
    },
    limit(session, { width, height }) {
      const { batch = 1, pixels = 0 } = prepared.get(session) ?? {}
      // Larger ones were not tried together, and may not fit into the card's memory.
      return width * height <= pixels ? batch : 1
    },
    forget(session) {
      preparing.delete(session)
      prepared.delete(session)
    },
  }

  async function prepare(session: string, card: UpscaleCard, sha256: string, begun: Begun): Promise<Tuning> {
    const { halo, sizeMultiple, fixedSize } = card
    const about = [sha256, halo, sizeMultiple, fixedSize, provider, devices[0], onnxruntimeVersion(), await cardsHere()]
    const name = createHash('sha256').update(JSON.stringify(about)).digest('hex').slice(0, 32)
    const time = (windows: Image[]) => timed(() => ort.run(session, copies(windows), begun))
    const found = await rememberedTuning(`${provider}-${name}`, () => findTuning(card, time))
    const { width, height } = fixedSize ?? { width: found.side, height: found.side }
    if (width > 0) {
      for (const size of batchSizes(found.batch)) {
        await ort.warm(session, () => Array.from({ length: size }, () => greyWindow(width, height)), begun)
      }
    }
    prepared.set(session, { batch: found.batch, pixels: width * height })
    return found
  }
}

const copies = (windows: readonly Image[]): Image[] => windows.map(window => ({ ...window, data: window.data.slice() }))

/** The first run of a size chooses kernels; the better of two more counts. */
async function timed(run: () => Promise<unknown>): Promise<number> {
  await run()
  const times = []
  for (let i = 0; i < 2; i++) {
    const start = performance.now()
    await run()
    times.push(performance.now() - start)
  }
  return Math.min(...times)
}

/** What tells this machine's graphics cards from others: what was found with one does not hold for another. */
async function cardsHere(): Promise<string[]> {
  const read = async (folder: string, ...files: string[]) => {
    const names = (await readdir(folder).catch(() => [])).sort()
    return Promise.all(names.flatMap(name => files.map(file => readFile(join(folder, name, file), 'utf8').catch(() => ''))))
  }
  const [nvidia, others] = await Promise.all([
    read('/proc/driver/nvidia/gpus', 'information'),
    read('/sys/class/drm', 'device/vendor', 'device/device'),
  ])
  return [...nvidia.map(text => /Model:\s*(.*)/.exec(text)?.[1] ?? ''), ...others.map(text => text.trim())].filter(text => text !== '')
}
