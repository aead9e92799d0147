import { UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'

/**
 * How a picture is cut for the model.
 *
 *     ├─────────────────── the picture ───────────────────┤  one axis, three tiles of length w, h = halo
 *     ├───── core 0 ──────┼─h─┤                              window 0 starts at 0: the picture's own edge
 *                     ├─h─┼─── core 1 ────┼─h─┤              window 1 starts at w − 2h
 *                                 ├─ ≥ h ─┼─── core 2 ────┤  window 2 is shifted inwards to end with the picture
 *
 * Windows never leave the picture, so a border tile sees the zero padding that a run of the whole picture sees.
 * Cores partition the picture: every pixel is kept from exactly one tile, at least h away from any cut.
 * With h ≥ the receptive field the tiled result is therefore the whole result, bit for bit.
 *
 * Where the model wants a multiple of m, lengths, window starts and h are multiples of m (the network's own grid stays
 * in step) and the picture counts as enlarged to the next multiple; where it wants one fixed size, a smaller picture counts
 * as enlarged to it. `cut` in windows.ts repeats the edge pixels there, `paste` drops what they became.
 */
export interface Rect {
  x: number
  y: number
  width: number
  height: number
}

export interface Tile {
  /** What the model sees. */
  window: Rect
  /** What is kept of it. */
  core: Rect
}

type Needs = Pick<UpscaleCard, 'id' | 'halo' | 'sizeMultiple' | 'fixedSize'>

/**
 * The tiles of a picture, row by row, in input pixels.
 * @param side longest side of a window; 0 = chosen by us (about 256). Windows are made equal, so they are often a little smaller.
 * @throws UprezError `invalid-option` for a side that leaves no core; `too-many-pixels` where the model can neither take
 * the picture whole nor in tiles
 */
export function planTiles(size: { width: number; height: number }, card: Needs, side = 0): Tile[] {
  requireUsableSide(card, side)
  const columns = cutAxis(size.width, card, side, card.fixedSize?.width)
  const rows = cutAxis(size.height, card, side, card.fixedSize?.height)
  return rows.flatMap(row =>
    columns.map(column => ({
      window: { x: column.start, y: row.start, width: column.length, height: row.length },
      core: { x: column.from, y: row.from, width: column.to - column.from, height: row.to - row.from },
    })),
  )
}

interface Span {
  /** The window: where it starts and how long it is. */
  start: number
  length: number
  /** The core: from (included) to (excluded). */
  from: number
  to: number
}

function cutAxis(pixels: number, card: Needs, side: number, fixed: number | undefined): Span[] {
  const multiple = card.sizeMultiple
  const whole = Math.max(roundUp(pixels, multiple), fixed ?? 0)
  const halo = roundUp(card.halo ?? 0, multiple)
  const count = card.halo === null && fixed === undefined ? 1 : countWindows(whole, halo, fixed ?? Math.floor(side / multiple) * multiple)
  if (count === 1) return [{ start: 0, length: whole, from: 0, to: pixels }]
  if (fixed !== undefined && (card.halo === null || fixed <= 2 * halo)) throw cannotTile(card, pixels)
  const length = fixed ?? roundUp(Math.ceil((whole - 2 * halo) / count), multiple) + 2 * halo
  const step = length - 2 * halo
  return Array.from({ length: count }, (_, i) => ({
    start: Math.min(i * step, whole - length),
    length,
    from: i === 0 ? 0 : i * step + halo,
    to: i === count - 1 ? pixels : (i + 1) * step + halo,
  }))
}

// `count` windows of length w, overlapping by 2h, reach count·(w − 2h) + 2h pixels far.
function countWindows(whole: number, halo: number, longest: number): number {
  if (longest > 0) return whole <= longest ? 1 : Math.ceil((whole - 2 * halo) / (longest - 2 * halo))
  const near = Math.max(autoSide, 4 * halo)
  return Math.max(1, Math.round((whole - 2 * halo) / (near - 2 * halo)))
}

// Windows are made as near to this as equal ones can be. Measured with 32 channels on a CPU: useful pixels per second differ by
// 4 % between 192 and 384; below, the overlap costs more, above, the cache.
const autoSide = 256

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple

/**
 * @param side as `planTiles` takes it
 * @throws UprezError `invalid-option` for a side that no picture can be cut with
 */
export function requireUsableSide(card: Needs, side: number): void {
  const wrong = (expected: string, why: string) =>
    new UprezError('invalid-option', `tile must be ${expected}, not ${side}: ${why}`, { param: 'tile', expected, got: String(side) })
  if (!Number.isInteger(side) || side < 0) throw wrong('0 (automatic) or a whole number of pixels', 'it is the side of a tile')
  if (side === 0) return
  if (card.fixedSize !== null) throw wrong('0', `model ${card.id} takes windows of ${card.fixedSize.width}×${card.fixedSize.height} only`)
  if (card.halo === null) throw wrong('0', `model ${card.id} runs on whole pictures only`)
  const least = 2 * roundUp(card.halo, card.sizeMultiple) + card.sizeMultiple
  if (side < least) throw wrong(`0 or at least ${least}`, `model ${card.id} needs ${card.halo} pixels around every tile`)
}

function cannotTile(card: Needs, pixels: number): UprezError {
  const { width, height } = card.fixedSize!
  return new UprezError(
    'too-many-pixels',
    `model ${card.id} takes pictures of at most ${width}×${height}, and this one has a side of ${pixels}`,
    {
      param: 'image',
      expected: `at most ${width}×${height}`,
      got: `a side of ${pixels}`,
    },
  )
}
