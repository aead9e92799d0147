import { checkWritable, writeAtomic } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import type { GraphFile, UpscaleCard } from '../models/card.js'
import { servingFile } from '../models/card.js'
import { findModel, readGraph } from '../models/catalog.js'
import type { Progress } from '../runtime/infer.js'
import { targetSize } from '../runtime/size.js'
import { upscale } from '../runtime/upscale.js'
import { createBudget } from './budget.js'
import { checkOutputSize, encode, outputFormat } from './encode.js'
import type { Job, JobResult, Limits } from './engine.js'
import { decode, readHeader, readSource } from './files.js'
import { startThreads } from './ort-threads.js'
import type { ChildSettings } from './protocol.js'
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
  /** Once no job runs. */
  close(): Promise<void>
}

/** Where pictures are decoded, upscaled and encoded, several beside each other: one's tiles are computed while another is encoded. */
export function openWorkshop({ threads, limits }: ChildSettings): Workshop {
  const ort = startThreads(threads)
  const tiles = createTileQueue<Tile, Image>(({ model, window }) => ort.run(model, window), ort.places)
  const memory = createBudget(limits.maxOutputPixels)
  const models = new Map<string, Promise<UpscaleCard>>()
  let jobs = 0

  return { work, close: () => ort.close() }

  async function work(job: Job, around: Around): Promise<JobResult> {
    const start = performance.now()
    const card = await loadOnce(job.model)
    const bytes = await readSource(job.input)
    const plan = await checkJob(job, bytes, card, limits)
    around.onPatience(0)
    const release = await memory.take(plan.pixels * (plan.format === 'avif' ? AVIF_WEIGHT : 1), around.signal)
    jobs++
    try {
      around.onPatience(1)
      const answer = await make(job, bytes, card, plan, around)
      const { format, target, input } = plan
      return { ...answer, format, ...target, input, model: card.id, provider: 'cpu', milliseconds: performance.now() - start }
    } finally {
      jobs--
      release()
    }
  }

  async function make(job: Job, bytes: Uint8Array, card: UpscaleCard, plan: Plan, around: Around): Promise<{ bytes?: Uint8Array }> {
    const { id, signal, onProgress } = around
    const picture = await decode(bytes, limits)
    const dropTiles = () => tiles.drop(id, new UprezError('aborted', 'The work was cancelled'))
    signal.addEventListener('abort', dropTiles)
    const enlarged = await upscale(picture.image, card, window => tiles.add(id, { model: job.model, window }), {
      ...plan.target,
      tile: job.tile || windowSide(picture.image, card, threads, jobs === 1),
      concurrency: ort.places,
      signal,
      onProgress,
    }).finally(() => signal.removeEventListener('abort', dropTiles))
    around.onPatience(Math.max(1, plan.pixels / ENCODED_PER_DEADLINE))
    const encoded = await encode(enlarged, plan.format, job.quality, picture.attached)
    if (signal.aborted) throw new UprezError('aborted', 'The work was cancelled')
    if (job.output === undefined) return { bytes: encoded }
    await writeAtomic(job.output, encoded, around.mark)
    return {}
  }

  /** A failed load is forgotten, so that a mended model needs no restart. */
  function loadOnce(folder: string): Promise<UpscaleCard> {
    const loaded = models.get(folder) ?? load(folder)
    models.set(folder, loaded)
    loaded.catch(() => models.delete(folder))
    return loaded
  }

  async function load(folder: string): Promise<UpscaleCard> {
    const model = await findModel(`${folder}/card.json`)
    const graph: GraphFile = servingFile(model.card)
    await ort.load(folder, graph, await readGraph(model, graph))
    return model.card
  }
}

interface Tile {
  model: string
  window: Image
}

interface Plan {
  format: JobResult['format']
  target: { width: number; height: number }
  input: JobResult['input']
  /** Of the largest picture that is held. */
  pixels: number
}

/** Its encoder holds 33 bytes a pixel, where a picture in memory has 3 or 4 and the other encoders stream. */
const AVIF_WEIGHT = 8

/** AVIF, the slowest, encodes more pixels than this in the usual deadline of two minutes. */
const ENCODED_PER_DEADLINE = 10_000_000

/** Everything that can be known to fail fails here, before any work. */
async function checkJob(job: Job, bytes: Uint8Array, card: UpscaleCard, limits: Limits): Promise<Plan> {
  const { format: from, width, height } = await readHeader({ bytes }, limits)
  const format = outputFormat(job.format, from)
  const target = targetSize({ width, height }, card.scale, job)
  checkOutputSize(target.width, target.height, format)
  const pixels = Math.max(target.width * target.height, width * height * card.scale ** 2)
  if (pixels > limits.maxOutputPixels) {
    const expected = `at most ${limits.maxOutputPixels} pixels`
    const got = `${pixels} pixels (${width}×${height}, enlarged ${card.scale}× by the model, to ${target.width}×${target.height})`
    throw new UprezError('output-too-large', `Expected ${expected} of output but the picture needs ${got}`, {
      param: 'image',
      expected,
      got,
    })
  }
  if (job.output !== undefined) await checkWritable(job.output)
  return { format, target, input: { format: from, width, height }, pixels }
}
