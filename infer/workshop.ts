import { checkWritable, writeAtomic } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import type { UpscaleCard } from '../models/card.js'
import type { Progress } from '../runtime/infer.js'
import { symmetriesFor } from '../runtime/tta.js'
import { upscale } from '../runtime/upscale.js'
import { createBudget } from './budget.js'
import { encode } from './encode.js'
import { decode, readHeader, readSource } from './files.js'
import type { Job, JobResult, LoadedModel, Measure, Stages } from './job.js'
import { createModelStore, type ModelInUse } from './model-store.js'
import { type Begun, EXPRESS_PIXELS, startThreads } from './ort-threads.js'
import { createPatience, type Patience, pixelPatience, runPatience, WAITING } from './patience.js'
import { type Plan, planJob } from './plan.js'
import type { ChildSettings } from './protocol.js'
import { startResizer } from './resizer.js'
import { createStopwatch } from './stages.js'
import { createTileQueue } from './tile-queue.js'
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
  const queue = (lane: 'usual' | 'express', places: number) =>
    createTileQueue<Tile, Image>(async ({ model, window, begun }) => (await ort.run(model, [window], begun, lane))[0]!, places)
  const tiles = queue('usual', ort.places)
  const express = queue('express', ort.expressPlaces)
  const resizer = startResizer()
  const memory = createBudget(limits.maxOutputPixels)
  const models = createModelStore(ort, modelMemory, precision)
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
    const model = await during('queue', () => models.use(job.model, job.version, patience))
    try {
      const bytes = await during('decode', () => readSource(job.input))
      const plan = await during('decode', () => checkJob(job, bytes, model.card))
      patience.between(pixelPatience(plan.pixels))
      const share = plan.pixels * (plan.format === 'avif' ? AVIF_WEIGHT : 1)
      const release = await during('queue', () => patience.during(WAITING, () => memory.take(share, around.signal)))
      jobs++
      try {
        const made = await make({ job, bytes, model, plan, patience, during }, around)
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

  async function make(task: Task, { id, mark, signal, onProgress }: Around): Promise<Pick<JobResult, 'bytes' | 'tiles'>> {
    const { job, bytes, model, plan, patience, during } = task
    const { card, session } = model
    const { width, height } = plan.input
    const picture = await during('decode', () => patience.during(pixelPatience(width * height), () => decode(bytes, limits)))
    const dropTiles = () => {
      for (const lane of [tiles, express]) lane.drop(id, new UprezError('aborted', 'The work was cancelled'))
    }
    signal.addEventListener('abort', dropTiles)
    let ran = 0
    const infer = async (window: Image) => {
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
      tile: job.tile || windowSide(picture.image, card, ort.count, jobs === 1),
      tta: job.tta,
      concurrency: ort.places,
      resize: resizer.resize,
      signal,
      onProgress,
    }
    const enlarged = await during('upscale', () => upscale(picture.image, card, infer, options)).finally(() =>
      signal.removeEventListener('abort', dropTiles),
    )
    return during('encode', async () => {
      const encoding = () => encode(enlarged, plan.format, job.quality, picture.attached)
      const encoded = await patience.during(pixelPatience(plan.pixels), encoding)
      if (signal.aborted) throw new UprezError('aborted', 'The work was cancelled')
      if (job.output === undefined) return { bytes: encoded, tiles: ran }
      await writeAtomic(job.output, encoded, mark)
      return { tiles: ran }
    })
  }

  /** Everything that can be known to fail fails here, before any work. */
  async function checkJob(job: Job, bytes: Uint8Array, card: UpscaleCard): Promise<Plan> {
    const plan = planJob(job, await readHeader({ bytes }, limits), card, limits)
    if (job.output !== undefined) await checkWritable(job.output)
    return plan
  }

  async function measure(job: Job, whole: boolean): Promise<Measure | undefined> {
    const card = await models.card(job.model, job.version)
    const header = await readHeader(job.input, limits).catch(error => {
      if (!whole && error instanceof UprezError && error.code === 'broken-image') return undefined
      throw error
    })
    if (header === undefined) return undefined
    const { input, target, pixels } = planJob(job, header, card, limits)
    return { input, ...target, work: pixels * (job.tta ? symmetriesFor(card).length : 1) }
  }
}

/** A job in the middle. */
interface Task {
  job: Job
  bytes: Uint8Array
  model: ModelInUse
  plan: Plan
  patience: Patience
  during<T>(stage: keyof Stages, work: () => Promise<T>): Promise<T>
}

interface Tile {
  model: string
  window: Image
  begun: Begun
}

/** Its encoder holds 33 bytes a pixel, where a picture in memory has 3 or 4 and the other encoders stream. */
const AVIF_WEIGHT = 8
