import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { resize } from '../image/resize.js'
import { applyDegradation, type DegradationOptions, type DegradationPlan, drawDegradation } from './degradations/index.js'
import { bicubicPair, crop, cropToMultiple, loadPair, loadPicture, mirrored } from './pairs.js'
import { type Pair, type Place, randomPlace } from './patch.js'
import { pictureCache } from './picture-cache.js'
import { integer, randomAt, uniform } from './random.js'
import type { Source } from './sources.js'

/** What is drawn from what: with (step, index), it alone decides a sample. */
export interface SampleOrder {
  sources: Source[]
  scale: number
  /** Side of the low-resolution patch. */
  patch: number
  batch: number
  seed: number
  jitter: [number, number]
  degradation: DegradationOptions
  reuse: number
}

/** A picture, or a crop of one, at both sizes, and the patch of it that is shown. */
export interface Sample {
  source: Source
  pair: Pair
  place: Place
  /** What was done to the crop; undefined where the low side was given, or only reduced by bicubic. */
  plan?: DegradationPlan
}

/** A sample without the place of its patch. */
type Shown = Omit<Sample, 'place'>

interface Decoded {
  high: Image
  low?: Image
}

/** Crops that one place in the batch draws from in turn. One kind of damage then never fills several batches in a row (Wang 2021, §4.1, "training pair pool"). */
const POOL = 8
/** Side of a crop in patches: room for fresh places, at 1.8 times the work of a single patch. */
const CROP = 4 / 3

/**
 * Draws training samples: a pure function of the order, the step and the index in the batch. Low sides that are given, or made by
 * bicubic alone, are made of whole pictures, once. Others are made of crops; each serves about `reuse` steps, since one costs more
 * than cutting many patches.
 * @param cacheBytes of decoded pictures kept
 * @param onSkip told, once, of files that cannot be decoded; another is drawn instead
 */
export function createSampler(order: SampleOrder, cacheBytes: number, onSkip: (path: string, reason: string) => void) {
  const { sources, scale, patch, batch, seed, jitter, degradation, reuse } = order
  const fromCrops = (degradation.kind !== 'bicubic' || jitter[0] < 1) && sources.some(({ low }) => low === undefined)
  const side = patch * scale
  const broken = new Set<Source>()
  const cache = pictureCache<Decoded>(cacheBytes)
  const pool = new Map<string, { generation: number; crop: Promise<Shown> }>()

  /** @throws UprezError `no-images` where no picture can be decoded */
  async function draw(step: number, index: number): Promise<Sample> {
    const random = randomAt(seed, step, index)
    const shown = fromCrops ? await poolCrop(random, step, index) : await wholePair(random)
    return { ...shown, place: randomPlace(random, shown.pair.low, patch) }
  }

  async function wholePair(random: () => number): Promise<Shown> {
    const { source, low, high } = await decodeOne(random)
    return { source, pair: { low: low!, high } }
  }

  /** Every crop of the pool lives `reuse·POOL` steps; they are renewed one by one, spread evenly over the steps. */
  function poolCrop(random: () => number, step: number, index: number): Promise<Shown> {
    const slot = integer(random, POOL)
    const generation = Math.floor((step + slot * reuse + Math.floor((index * reuse) / batch)) / (reuse * POOL))
    const key = `${index}/${slot}`
    const known = pool.get(key)
    if (known?.generation === generation) return known.crop
    const made = { generation, crop: makeCrop(randomAt(seed, index, slot, generation)) }
    pool.set(key, made)
    return made.crop
  }

  async function makeCrop(random: () => number): Promise<Shown> {
    const { source, low, high: picture } = await decodeOne(random)
    if (low) return { source, pair: cutPair({ low, high: picture }, random) }
    const high = cutReduced(picture, random)
    if (degradation.kind === 'bicubic') return { source, pair: bicubicPair(high, scale) }
    const plan = drawDegradation(degradation, scale, random)
    return { source, pair: { low: await applyDegradation(plan, high), high }, plan }
  }

  /** A crop of the picture reduced by the jitter: only what the crop shows is reduced. */
  function cutReduced(picture: Image, random: () => number): Image {
    const least = side / Math.min(picture.width, picture.height)
    const factor = Math.max(least, uniform(random, jitter))
    const fits = (length: number) => Math.min(Math.round(patch * CROP), Math.floor((length * factor) / scale + 1e-9)) * scale
    const [width, height] = [fits(picture.width), fits(picture.height)]
    const spread = (size: number, whole: number) => Math.min(whole, Math.round(size / factor))
    const [wide, high] = [spread(width, picture.width), spread(height, picture.height)]
    const cut = crop(picture, integer(random, picture.width - wide + 1), integer(random, picture.height - high + 1), wide, high)
    return resize(cut, { width, height, kernel: 'bicubic' })
  }

  function cutPair({ low, high }: Pair, random: () => number): Pair {
    const [width, height] = [low.width, low.height].map(length => Math.min(Math.round(patch * CROP), length)) as [number, number]
    const [x, y] = [integer(random, low.width - width + 1), integer(random, low.height - height + 1)]
    return { low: crop(low, x, y, width, height), high: crop(high, x * scale, y * scale, width * scale, height * scale) }
  }

  /** A file that cannot be decoded is reported and another is drawn: still a function of the order, the step, the index and the files. */
  async function decodeOne(random: () => number): Promise<Decoded & { source: Source }> {
    while (broken.size < sources.length) {
      const source = sources[integer(random, sources.length)]!
      if (broken.has(source)) continue
      const key = `${source.path}\n${source.low}`
      try {
        return { source, ...(await cache.get(key, bytesOf(source), () => decode(source))) }
      } catch (error) {
        const names = source.low === undefined ? source.path : `${source.low} or ${source.path}`
        if (!broken.has(source)) onSkip(names, (error as Error).message.split('\n')[0]!)
        broken.add(source)
        cache.forget(key)
      }
    }
    throw new UprezError('no-images', 'none of the training images can be decoded', { param: '--data' })
  }

  /** What crops are made of needs no low side of its own. */
  async function decode(source: Source): Promise<Decoded> {
    if (source.low !== undefined || !fromCrops) return loadPair(source, scale, side)
    return { high: mirrored(cropToMultiple(await loadPicture(source.path), scale), side) }
  }

  function bytesOf({ width, height, low }: Source): number {
    return width * height * 3 * (low === undefined && fromCrops ? 1 : 1 + 1 / scale ** 2)
  }

  return { draw }
}
