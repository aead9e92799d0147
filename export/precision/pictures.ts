import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { UprezError } from '../../errors.js'
import type { Image } from '../../image/image.js'
import { resize } from '../../image/resize.js'
import { drawLeaves, randomNumbers } from '../../probe/picture.js'

/** A picture as the network is given it and as it should become: RGB. */
export interface Pair {
  low: Image
  high: Image
}

/** Never the same: a variant is judged on pictures that it was not fitted to. */
export interface Pictures {
  calibration: Image[]
  judged: Pair[]
}

export interface Sizes {
  scale: number
  sizeMultiple: number
  fixedSize: { width: number; height: number } | null
}

/** Side of what the network is given, in pixels. */
const SIDE = 64
/** Less is no picture. */
const LEAST_SIDE = 16
const DRAWN = { calibration: 8, judged: 6 }
/** Seeds: of drawn pictures to calibrate on, of those that judge, and of what is read. */
const SEEDS = { calibration: 100, judged: 200, read: 300 }
/** Of what poor pictures are drawn with: standard deviation of the noise in steps of 255, and JPEG's quality. */
const POOR = { noise: [4, 16], quality: [30, 80] } as const
/** Of a folder, spread evenly over the sorted names; every fourth is kept for judging. */
const MOST_READ = 32
const EVERY = 4

/**
 * Drawn pictures, and those of a folder if one is given: they alone judge then. The drawn ones are calibrated on in any case. Their
 * edges are as hard as edges come, so that nothing on a photograph lies beyond.
 * @throws UprezError `no-input`, `no-images` where fewer than four can be used
 */
export async function findPictures(folder: string | undefined, sizes: Sizes, say: (line: string) => void): Promise<Pictures> {
  const { scale, sizeMultiple, fixedSize } = sizes
  const side = Math.ceil(SIDE / sizeMultiple) * sizeMultiple
  const { width, height } = fixedSize ?? { width: side, height: side }
  const pairs = (draw: typeof drawLeaves, count: number, first: number) =>
    Promise.all(Array.from({ length: count }, (_, i) => pairOf(draw(width * scale, height * scale, first + i), scale, first + i)))
  const calibration = (await pairs(drawLeaves, DRAWN.calibration, SEEDS.calibration)).map(({ low }) => low)
  if (folder === undefined) return { calibration, judged: await pairs(softened, DRAWN.judged, SEEDS.judged) }
  const read = await readPictures(folder, sizes, { width, height }, say)
  return {
    calibration: [...calibration, ...read.filter((_, i) => i % EVERY !== EVERY - 1).map(({ low }) => low)],
    judged: read.filter((_, i) => i % EVERY === EVERY - 1),
  }
}

/** Drawn at half the size: as soft as photographs are at the size of the sensor, so that a network finds in them what it finds there. */
function softened(width: number, height: number, seed: number): Image {
  return resize(drawLeaves(Math.ceil(width / 2), Math.ceil(height / 2), seed), { width, height, kernel: 'bicubic' })
}

/**
 * Reduced as the published tables do: MATLAB's imresize(…, 'bicubic'). A network that keeps the size mends pictures: of a clean one it
 * leaves nearly all, beside which any rounding is much, so that it is given a poor one.
 */
async function pairOf(high: Image, scale: number, seed: number): Promise<Pair> {
  if (scale === 1) return { low: await poor(high, seed), high }
  return { low: resize(high, { width: high.width / scale, height: high.height / scale, kernel: 'bicubic' }), high }
}

/** With noise, and through JPEG. */
async function poor({ data, width, height }: Image, seed: number): Promise<Image> {
  const next = randomNumbers(seed)
  const between = ([least, most]: readonly [number, number]) => least + (most - least) * next()
  const [deviation, quality] = [between(POOR.noise), Math.round(between(POOR.quality))]
  // Four uniform numbers make a bell of variance 1/3.
  const bell = () => Math.sqrt(3) * (next() + next() + next() + next() - 2)
  const noisy = Uint8ClampedArray.from(data, value => value + deviation * bell())
  const jpeg = await sharp(noisy, { raw: { width, height, channels: 3 } })
    .jpeg({ quality })
    .toBuffer()
  return { data: await sharp(jpeg).raw().toBuffer(), width, height, channels: 3 }
}

async function readPictures(
  folder: string,
  sizes: Sizes,
  most: { width: number; height: number },
  say: (line: string) => void,
): Promise<Pair[]> {
  const names = await listFiles(folder)
  const count = Math.min(MOST_READ, names.length)
  const pairs: Pair[] = []
  for (let i = 0; i < count; i++) {
    const path = join(folder, names[Math.floor((i * names.length) / count)]!)
    const high = await readMiddle(path, sizes, most)
    if (typeof high === 'string') say(`left out ${path}: ${high}`)
    else pairs.push(await pairOf(high, sizes.scale, SEEDS.read + i))
  }
  if (pairs.length >= EVERY) return pairs
  const expected = `at least ${EVERY} pictures`
  throw new UprezError('no-images', `--calibrate: expected ${expected} in ${folder} but ${pairs.length} can be used`, {
    param: 'calibrate',
    expected,
    got: String(pairs.length),
  })
}

/** The middle of a picture, at most `most` × scale pixels; or why it cannot be used. */
async function readMiddle(
  path: string,
  { scale, sizeMultiple, fixedSize }: Sizes,
  most: { width: number; height: number },
): Promise<Image | string> {
  try {
    const size = (await sharp(path).metadata()).autoOrient
    const step = scale * sizeMultiple
    const fit = (side: number, most: number) => Math.min(most * scale, Math.floor(side / step) * step)
    const [width, height] = [fit(size.width, most.width), fit(size.height, most.height)]
    const least = fixedSize ?? { width: LEAST_SIDE, height: LEAST_SIDE }
    if (width < least.width * scale || height < least.height * scale) {
      return `${size.width}×${size.height} is smaller than ${least.width * scale}×${least.height * scale}`
    }
    const middle = { left: (size.width - width) >> 1, top: (size.height - height) >> 1, width, height }
    const upright = sharp(path).autoOrient().extract(middle)
    const data = await upright.toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' }).toBuffer()
    return { data, width, height, channels: 3 }
  } catch (error) {
    return `it cannot be read (${(error as Error).message.split('\n')[0]})`
  }
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(cause => {
    const expected = 'a folder of pictures'
    throw new UprezError('no-input', `--calibrate: expected ${expected} but ${folder} cannot be read`, {
      param: 'calibrate',
      expected,
      got: folder,
      cause,
    })
  })
  return entries
    .filter(entry => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort()
}
