import { outputDepth } from '../infer/encode.js'
import type { Engine, Job, OutputFormat } from '../infer/engine.js'
import type { Depth } from '../infer/job.js'
import { runsFor } from '../infer/plan.js'
import { sharp } from '../infer/sharp.js'
import type { Size } from '../infer/size.js'
import type { UpscaleCard } from '../models/card.js'
import type { Task } from './plan.js'

export interface Estimate {
  pictures: number
  inputPixels: number
  outputPixels: number
  /** Expected size of the results on disk. */
  bytes: number
  seconds: number
  /** The time was measured with this model on this machine, not derived from the model's size. */
  measured: boolean
}

export interface EstimateOptions {
  engine: () => Promise<Engine>
  card: UpscaleCard
  job: Omit<Job, 'input' | 'format' | keyof Size>
  cpus: number
}

/** What to expect of a format, for enlarged photographs of 8 bits: bytes on disk and a core's seconds of encoding per output pixel. */
const FORMATS: Record<OutputFormat, { bytes: number; seconds: number }> = {
  png: { bytes: 2.1, seconds: 3e-8 },
  jpg: { bytes: 0.6, seconds: 2e-8 },
  webp: { bytes: 0.4, seconds: 1e-7 },
  avif: { bytes: 0.25, seconds: 3e-6 },
  tiff: { bytes: 1.8, seconds: 2e-8 },
}

/** What a guess assumes of one core, and of opening, flushing and renaming a picture's files; many machines do better. */
const ASSUMED = { flops: 40e9, secondsPerPicture: 0.01 }

/** Work that is guessed to take longer is measured: so long that the measuring does not count. */
const GUESSED_SECONDS = 20

/** Side of the pictures that a calibration upscales. */
const SAMPLE_SIDE = 128

/** Of a sample, as `-s` has it: a size in pixels may enlarge a tiny picture so much that its sample would not fit. */
const LARGEST_SCALE = 64

/** Size and time of the tasks. Long work is timed by upscaling a few drawn pictures; short work is guessed from the card. */
export async function estimateWork(tasks: readonly Task[], { engine, card, job, cpus }: EstimateOptions): Promise<Estimate> {
  const inputPixels = sum(tasks, ({ entry }) => entry.header.width * entry.header.height)
  const outputPixels = sum(tasks, outputPixelsOf)
  const bytes = Math.ceil(sum(tasks, task => outputPixelsOf(task) * formatOf(task).bytes * (depthOf(task) / 8)))
  const encoding = sum(tasks, task => outputPixelsOf(task) * formatOf(task).seconds)
  const files = (tasks.length * ASSUMED.secondsPerPicture) / cpus
  const runs = runsFor(job, card)
  const guess = files + ((inputPixels * card.flopsPerPixel * runs) / ASSUMED.flops + encoding) / cpus
  const measured = guess > GUESSED_SECONDS
  const scale = Math.min(Math.sqrt(outputPixels / inputPixels), LARGEST_SCALE)
  const sampleJob = { ...job, scale, format: tasks[0]!.entry.recipe.format }
  // The windows of a picture that is turned keep as many threads busy as so many pictures.
  const samples = Math.ceil((2 * cpus) / runs)
  const seconds = measured ? files + inputPixels * (await calibrate(await engine(), sampleJob, samples)) : guess
  return { pictures: tasks.length, inputPixels, outputPixels, bytes, seconds, measured }
}

function outputPixelsOf({ target }: Task): number {
  return target.width * target.height
}

/** Of a picture whose depth an older manifest does not tell: 8. */
function depthOf({ entry: { header, recipe } }: Task): Depth {
  return outputDepth(recipe.depth, header.depth ?? 8, recipe.format)
}

function formatOf({ entry: { recipe } }: Task) {
  return FORMATS[recipe.format]
}

/** Seconds per input pixel with so many pictures in flight, coding included. The first round only warms up. */
async function calibrate(engine: Engine, job: Omit<Job, 'input'>, pictures: number): Promise<number> {
  const noise = { type: 'gaussian', mean: 128, sigma: 30 } as const
  const create = { width: SAMPLE_SIDE, height: SAMPLE_SIDE, channels: 3, background: '#808080', noise } as const
  const bytes = await sharp({ create }).png().toBuffer()
  const round = () => Promise.all(Array.from({ length: pictures }, () => engine.upscale({ ...job, input: { bytes } })))
  await round()
  const start = performance.now()
  await round()
  return (performance.now() - start) / 1000 / (pictures * SAMPLE_SIDE ** 2)
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}
