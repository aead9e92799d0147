import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { writeAtomic } from '../atomic.js'
import { cacheFolder } from '../cache.js'
import type { Image } from '../image/image.js'
import type { UpscaleCard } from '../models/card.js'

/** What a model runs fastest with on a graphics card, found by measuring. */
export interface Tuning {
  /** Side of every window; 0 where the model sets the rules itself. */
  side: number
  /** Windows in one run. */
  batch: number
}

const tuning = z.strictObject({ side: z.int().min(0), batch: z.int().min(1) })

const SIDES = [256, 512, 1024]
export const BATCHES = [2, 4, 8, 16]

/** What is bought with more memory and a longer wait must be worth it. */
const WORTH = 1.05

/** After that no further size is tried. */
const PATIENCE_MS = 30_000

type Needs = Pick<UpscaleCard, 'halo' | 'sizeMultiple' | 'fixedSize'>

/**
 * Measures windows of growing sides, then growing batches, each as long as it pays. What fails (too large for the card's memory)
 * is not taken.
 * @param time runs so many windows of a size at once; milliseconds once it is warm
 * @returns undefined where not one run succeeded
 */
export async function findTuning(
  card: Needs,
  time: (windows: Image[]) => Promise<number>,
  now = () => performance.now(),
): Promise<Tuning | undefined> {
  const start = now()
  // Pixels of use per millisecond.
  const rate = async (side: number, batch: number): Promise<number> => {
    if (now() - start > PATIENCE_MS) return 0
    const { width, height } = card.fixedSize ?? { width: side, height: side }
    const core = Math.max(0, width - 2 * (card.halo ?? 0)) * Math.max(0, height - 2 * (card.halo ?? 0))
    const milliseconds = await time(Array.from({ length: batch }, () => greyWindow(width, height))).catch(() => Number.POSITIVE_INFINITY)
    return (batch * core) / milliseconds
  }
  const best = { side: 0, batch: 1, rate: 0 }
  if (card.fixedSize === null && card.halo === null) return UNTUNED
  for (const side of card.fixedSize ? [0] : sidesFor(card)) {
    const found = await rate(side, 1)
    if (found === 0 || found < best.rate * WORTH) break
    Object.assign(best, { side, rate: found })
  }
  for (const batch of BATCHES) {
    const found = await rate(best.side, batch)
    if (found === 0 || found < best.rate * WORTH) break
    Object.assign(best, { batch, rate: found })
  }
  return best.rate === 0 ? undefined : { side: best.side, batch: best.batch }
}

/** As without a graphics card. */
const UNTUNED: Tuning = { side: 0, batch: 1 }

/** Multiples of what the model wants, with most of each window of use. */
function sidesFor({ halo, sizeMultiple }: Needs): number[] {
  const least = Math.max(4 * halo!, 2 * halo! + 3 * sizeMultiple)
  const sides = SIDES.map(side => Math.ceil(Math.max(side, least) / sizeMultiple) * sizeMultiple)
  return [...new Set(sides)]
}

/** How long a run takes does not depend on what is in it. */
export function greyWindow(width: number, height: number): Image {
  return { data: new Uint8Array(width * height * 3).fill(128), width, height, channels: 3 }
}

/**
 * What was found before, else what is found now, which is remembered in the user's cache folder. Where nothing was found, the model
 * does without, and it is tried anew at the next start.
 * @param about names model, provider and card: letters, digits and "-"
 */
export async function rememberedTuning(about: string, find: () => Promise<Tuning | undefined>): Promise<Tuning> {
  const file = join(cacheFolder(), 'providers', `${about}.json`)
  const known = tuning.safeParse(
    await readFile(file, 'utf8')
      .then(JSON.parse)
      .catch(() => undefined),
  )
  if (known.success) return known.data
  const found = await find()
  if (found === undefined) return UNTUNED
  // Without a folder to write to, it is measured at every start.
  await mkdir(dirname(file), { recursive: true })
    .then(() => writeAtomic(file, `${JSON.stringify(found)}\n`))
    .catch(() => {})
  return found
}

/**
 * The card of a model for one picture: all windows get the tuned side, so that those of all pictures are of one size. Not for a picture
 * that is smaller: it runs as it is, since enlarged by padding it would not see its own edges.
 */
export function withFixedWindows(card: UpscaleCard, { side }: Tuning, { width, height }: { width: number; height: number }): UpscaleCard {
  return side > 0 && width >= side && height >= side ? { ...card, fixedSize: { width: side, height: side } } : card
}
