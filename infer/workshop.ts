import { checkWritable, fillAtomic } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { Image, Pixels } from '../image/image.js'
import type { UpscaleCard } from '../models/card.js'
import type { Progress } from '../runtime/infer.js'
import { upscale } from '../runtime/upscale.js'
import { createBatches } from './batches.js'
import { createBudget } from './budget.js'
import { encode, encodeToFile } from './encode.js'
import { type Attached, decode, type Header, readHeader, readSource } from './files.js'
import type { Job, JobResult, LoadedModel, Measure, Stages } from './job.js'
import { createModelStore, type ModelInUse } from './model-store.js'
import { type Begun, EXPRESS_PIXELS, startThreads } from './ort-threads.js'
import { createPatience, type Patience, pixelPatience, runPatience, WAITING } from './patience.js'
import { depthFor, type Plan, planJob, runsFor } from './plan.js'
import type { ChildSettings } from './protocol.js'
import { startResizer } from './resizer.js'
import { createStopwatch } from './stages.js'
import { createTileQueue } from './tile-queue.js'
import { createTuner } from './tuner.js'
import { BATCHES, type Tuning, withFixedWindows } from './tuning.js'
import { windowSide } from './window-side.js'

/** What a job has around it. */
export interface Around {
  /** Unlike that of any other job in this process. */
  id: number
  /** Part of the temporary file's name. */
  mark: string
  signal: AbortSignal
  onProgress(progress: Progress): void
  /** The next sign of life may take so many times the usual deadline; 0: any time. */
  onPatience(factor: number): void
}

export interface Workshop {
  /** @throws UprezError: see errors.ts */
  work(job: Job, around: Around): Promise<JobResult>
  /**
   * What `work` would do and what it would refuse before it decodes.
   * @param whole whether the job's bytes are all there are; @returns undefined where the header is not in the first ones
   */
  measure(job: Job, whole: boolean): Promise<Measure | undefined>
  /** No job will ask for this model again. */
  forget(folder: string, version: string): void
  /** Windows that models ran on so far. */
  readonly tiles: number
  /** The ONNX Runtime provider that runs them. */
  readonly provider: string
  readonly models: LoadedModel[]
  /** Once no job runs. */
  close(): Promise<void>
}

/** Where pictures are decoded, upscaled and encoded, several beside each other: one's tiles are computed while another is encoded. */
export function openWorkshop({ threads, limits, modelMemory, precision, execution }: ChildSettings): Workshop {
  const { provider } = execution
  const ort = startThreads(threads, execution)
  const tuner = execution.devices.length > 0 ? createTuner(ort, execution) : undefined
  const batches = tuner && createBatches(ort.run, { places: ort.places, limit: tuner.limit })
  const alone = (lane: 'usual' | 'express') => async (tile: Tile) => (await ort.run(tile.model, [tile.window], tile.begun, lane))[0]!
  const tiles = batches
    ? createTileQueue<Tile, Image<Pixels>>(
        ({ model, window, begun }) => batches.run(model, window, begun),
        ort.places * Math.max(...BATCHES),
      )
    : createTileQueue(alone('usual'), ort.places)
  const express = createTileQueue(alone('express'), ort.expressPlaces)
  const resizer = startResizer()
  const memory = createBudget(limits.maxOutputPixels)
  const release = (session: string) => {
    tuner?.forget(session)
    return ort.release(session)
  }
  const models = createModelStore({ ...ort, release }, modelMemory, precision)
  let jobs = 0
  let tilesDone = 0

  return {
    work,
    measure,
    forget: models.forget,
    get tiles() {
      return tilesDone
    },
    provider,
    get models() {
      return models.list()
    },
    close: async () => {
      await Promise.all([ort.close(), resizer.close()])
    },
  }

  async function work(job: Job, around: Around): Promise<JobResult> {
    const start = performance.now()
    const patience = createPatience(around.onPatience)
    const { stages, during } = createStopwatch()
    const file = { bytes: await during('decode', () => readSource(job.input)) }
    const header = await during('decode', () => readHeader(file, limits, job.page))
    const model = await during('queue', () => models.use(job.model, job.version, patience, depthFor(job, header)))
    try {
      const plan = await during('decode', () => checkJob(job, header, model.card))
      patience.between(pixelPatience(plan.pixels))
      const share = plan.pixels * (plan.format === 'avif' ? AVIF_WEIGHT : plan.depth / 8)
      const release = await during('queue', () => patience.during(WAITING, () => memory.take(share, around.signal)))
      jobs++
      try {
        const made = await make({ job, file, model, plan, patience, during }, around)
        const { format, target, input, pixels } = plan
        const milliseconds = performance.now() - start
        return { ...made, format, ...target, input, model: model.card.id, provider, milliseconds, stages, pixels }
      } finally {
        jobs--
        release()
      }
    } finally {
      model.done()
    }
  }

  async function make(task: Task, around: Around): Promise<Pick<JobResult, 'bytes' | 'tiles'>> {
    const { job, plan, patience, during } = task
    const { image, attached, tiles } = await enlarge(task, around)
    if (plan.pixels > LARGE_PIXELS) globalThis.gc?.()
    const { output, quality } = job
    const stopIfAborted = () => {
      if (around.signal.aborted) throw new UprezError('aborted', 'The work was cancelled')
    }
    const write = async (file: string) => {
      await encodeToFile(file, image, plan.format, quality, attached)
      stopIfAborted()
    }
    const encoding = async () => {
      if (output === undefined) return { bytes: await encode(image, plan.format, quality, attached) }
      await fillAtomic(output, write, around.mark)
      return {}
    }
    const encoded = await during('encode', () => patience.during(pixelPatience(plan.pixels), encoding))
    stopIfAborted()
    return { ...encoded, tiles }
  }

  /** Apart from what comes after, so that nobody holds the picture itself any more by then. */
  async function enlarge(task: Task, { id, signal, onProgress }: Around): Promise<Enlarged> {
    const { job, file, model, plan, patience, during } = task
    const { session } = model
    const { width, height } = plan.input
    const decoding = () => decode(file.bytes, limits, { depth: plan.depth, page: job.page })
    const picture = await during('decode', () => patience.during(pixelPatience(width * height), decoding))
    // In this process nobody asks for the file again.
    file.bytes = NOTHING
    if ('bytes' in job.input) job.input = file
    const tuning = await during('queue', () => tuned(model, patience))
    const card = tuning && job.tile === 0 ? withFixedWindows(model.card, tuning, picture.image) : model.card
    const dropTiles = () => {
      for (const lane of [tiles, express]) lane.drop(id, new UprezError('aborted', 'The work was cancelled'))
    }
    signal.addEventListener('abort', dropTiles)
    let ran = 0
    const infer = async (window: Image<Pixels>) => {
      const begun = () => patience.begin(runPatience(window.width * window.height, card.flopsPerPixel))
      const small = window.width * window.height <= EXPRESS_PIXELS && ort.expressPlaces > 0
      const lane = small && tiles.busy >= ort.count ? express : tiles
      const answer = await patience.during(WAITING, () => lane.add(id, { model: session, window, begun }))
      ran++
      tilesDone++
      return answer
    }
    const options = {
      ...plan.target,
      tile: job.tile || (card === model.card ? (tuning?.side ?? windowSide(picture.image, card, ort.count, jobs === 1)) : 0),
      tta: job.tta,
      concurrency: ort.places * (tuning?.batch ?? 1),
      resize: resizer.resize,
      signal,
      onProgress,
    }
    const image = await during('upscale', () => upscale(picture.image, card, infer, options)).finally(() =>
      signal.removeEventListener('abort', dropTiles),
    )
    return { image, attached: { ...picture.attached, density: plan.density }, tiles: ran }
  }

  async function tuned({ card, session, sha256 }: ModelInUse, patience: Patience): Promise<Tuning | undefined> {
    const prepare = () => tuner?.prepare(session, card, sha256, () => patience.begin(1))
    return patience.during(WAITING, async () => prepare())
  }

  /** Everything that can be known to fail fails here, before any work. */
  async function checkJob(job: Job, header: Header, card: UpscaleCard): Promise<Plan> {
    const plan = planJob(job, header, card, limits)
    if (job.output !== undefined) await checkWritable(job.output)
    return plan
  }

  async function measure(job: Job, whole: boolean): Promise<Measure | undefined> {
    const card = await models.card(job.model, job.version)
    // The pages of a TIFF may lie anywhere in it.
    if (!whole && job.page !== undefined) return undefined
    const header = await readHeader(job.input, limits, job.page).catch(error => {
      if (!whole && error instanceof UprezError && error.code === 'broken-image') return undefined
      throw error
    })
    if (header === undefined) return undefined
    const { input, target, pixels } = planJob(job, header, card, limits)
    return { input, ...target, work: pixels * runsFor(job, card) }
  }
}

/** A job in the middle. */
interface Task {
  job: Job
  file: { bytes: Uint8Array }
  model: ModelInUse
  plan: Plan
  patience: Patience
  during<T>(stage: keyof Stages, work: () => Promise<T>): Promise<T>
}

interface Enlarged {
  image: Image<Pixels>
  attached: Attached
  /** Windows that the model ran on. */
  tiles: number
}

const NOTHING = new Uint8Array()

/** Of a result whose encoder shall not have the picture that it was made from, and much else, beside it in memory. */
const LARGE_PIXELS = 16_000_000

interface Tile {
  model: string
  window: Image<Pixels>
  begun: Begun
}

/** Its encoder holds 33 bytes a pixel, where a picture in memory has 3 or 4 and the other encoders stream. */
const AVIF_WEIGHT = 8
