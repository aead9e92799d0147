import type { UpscaleCard } from '../models/card.js'

/**
 * Measured on one core with the overlap of fast-x4: a pixel costs the same in windows of 128 to 1024, so larger ones, which
 * overlap less, are cheaper: 512 needs 9 % less than 256. Beyond, the gain is small and a run's memory large (155 MB a thread at 512).
 */
const USUAL_SIDE = 512

/** For pictures of which there is much to hold anyway: 60 MB a thread, and with the overlap of fast-x2 3 % more to compute. */
const LARGE = { pixels: 8_000_000, side: 320 }

/** Below, the overlap would cost more than a second core brings. */
const LEAST_SIDE = 128

/**
 * The side of the tiles for a picture; 0 where the model sets the rules itself.
 * @param alone no other picture keeps the threads busy: the tiles are made small enough for each thread to get one. Only
 * where tiling is exact (halo ≥ receptive field), or the answer would depend on what else runs.
 */
export function windowSide(size: { width: number; height: number }, card: UpscaleCard, threads: number, alone: boolean): number {
  const { halo, receptiveField, fixedSize, sizeMultiple } = card
  if (fixedSize !== null || halo === null) return 0
  const least = Math.max(LEAST_SIDE, 4 * halo, 2 * halo + 3 * sizeMultiple)
  const usual = Math.max(size.width * size.height > LARGE.pixels ? LARGE.side : USUAL_SIDE, least)
  const exact = receptiveField !== null && halo >= receptiveField
  if (!alone || !exact) return usual
  const share = Math.ceil(Math.sqrt((size.width * size.height) / threads)) + 2 * halo
  return Math.min(usual, Math.max(least, share))
}
