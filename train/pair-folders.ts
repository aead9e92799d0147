import { type Found, type Walked, walk } from './walk.js'

/** A picture given at both sizes. */
export interface FoundPair {
  low: Found
  high: Found
}

/** What a folder of training data holds once pairs are told from single pictures. */
export interface Sorted {
  singles: Found[]
  pairs: FoundPair[]
  /** Files of a pair of folders that have no partner. */
  alone: Found[]
}

const ROLES: Record<string, string> = { gt: 'lq', hq: 'lq', hr: 'lr', high: 'low' }
const HIGH = /^(.*?)(gt|hq|hr|high)(_sub)?$/i
/** The scale in the name of a folder (DIV2K's `X4`, BasicSR's `X4_sub`) and of a file (`0001x4.png`, `0001x4m.png`). */
const SCALE_FOLDER = /^x(\d)(_sub)?$/i
const SCALE_SUFFIX = /x\d[a-z]?\d?$/i
/** DIV2K's name for a low side that was only reduced, and BasicSR's for its crops. */
const ONLY_REDUCED = /_bicubic(_sub)?$/i

/**
 * Tells single pictures from pairs. Folders beside each other are the two sides of pairs where one is called `gt` or `hq` and the
 * other `lq`, or `hr` and `lr`, or `high` and `low`, after the same beginning (`DIV2K_train_HR`). The low one may add how it was made
 * (`DIV2K_train_LR_bicubic`) and hold a folder for every scale (`X4`); BasicSR's crops have `_sub` at the end. What such a low folder
 * holds is never taken for an original.
 * @param ownLow we degrade originals ourselves: a low side that was only reduced (`…_LR_bicubic`) is passed over
 */
export function sortPairs({ images, folders }: Walked, scale: number, ownLow: boolean): Sorted {
  const lows = new Set<string>()
  const matched: [low: string, high: string][] = []
  for (const high of folders) {
    const candidates = folders.filter(low => areSides(low, high))
    for (const low of candidates) lows.add(low)
    const usable = candidates.flatMap(low => (ownLow && ONLY_REDUCED.test(low) ? [] : atScale(low, high, folders, scale)))
    // Of several methods the plainest is taken; the others need `data.pairs`.
    const low = usable.find(place => place.split('/').some(name => ONLY_REDUCED.test(name))) ?? usable[0]
    if (low !== undefined) matched.push([low, high])
  }
  const within = (place: string, folder: string) => place.startsWith(`${folder}/`)
  const sorted: Sorted = { singles: [], pairs: [], alone: [] }
  for (const [low, high] of matched) {
    const below = (folder: string) => images.filter(({ place }) => within(place, folder)).map(image => relativeTo(image, folder))
    match(below(low), below(high), sorted)
  }
  const taken = [...lows, ...matched.map(([, high]) => high)]
  sorted.singles = images.filter(({ place }) => !taken.some(folder => within(place, folder)))
  return sorted
}

/** The pictures of two folders that the user named. */
export async function namedPairs(low: string, high: string): Promise<Sorted> {
  const sorted: Sorted = { singles: [], pairs: [], alone: [] }
  match((await walk(low)).images, (await walk(high)).images, sorted)
  return sorted
}

function match(lows: Found[], highs: Found[], into: Sorted): void {
  const byName = new Map(highs.map(high => [nameOf(high), high]))
  const used = new Set<Found>()
  for (const low of lows) {
    const high = byName.get(nameOf(low)) ?? byName.get(nameOf(low).replace(SCALE_SUFFIX, ''))
    if (high) {
      used.add(high)
      into.pairs.push({ low, high })
    } else into.alone.push(low)
  }
  into.alone.push(...highs.filter(high => !used.has(high)))
}

function areSides(low: string, high: string): boolean {
  const [[lowParent, lowName], [highParent, highName]] = [split(low), split(high)]
  const [, beginning, role] = HIGH.exec(highName) ?? []
  if (lowParent !== highParent || role === undefined || !lowName.startsWith(beginning!)) return false
  return new RegExp(`^(${ROLES[role.toLowerCase()]})(_[a-z]+)?(_sub)?$`, 'i').test(lowName.slice(beginning!.length))
}

/** Where a low side holds this scale: in the scale's folder, or in itself if it has none for scales. Both sides are cut (`_sub`) or neither. */
function atScale(low: string, high: string, folders: string[], scale: number): string[] {
  const inside = folders.filter(place => split(place)[0] === low && SCALE_FOLDER.test(split(place)[1]))
  const usable = inside.length === 0 ? [low] : inside.filter(place => Number(SCALE_FOLDER.exec(split(place)[1])![1]) === scale)
  return usable.filter(place => /_sub$/i.test(place) === /_sub$/i.test(high))
}

function relativeTo(image: Found, folder: string): Found {
  return { ...image, place: image.place.slice(folder.length + 1) }
}

/** Without its extension: a JPEG may be the low side of a PNG. */
function nameOf({ place }: Found): string {
  return place.replace(/\.[^./]*$/, '')
}

function split(place: string): [parent: string, name: string] {
  const at = place.lastIndexOf('/')
  return [place.slice(0, Math.max(at, 0)), place.slice(at + 1)]
}
