import './no-eval.js'
import { plainError, UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'
import { targetSize } from '../runtime/size.js'
import { upscale } from '../runtime/upscale.js'
import { decodeImage } from './decode.js'
import { checkFormat, encodeImage, outputFormat } from './encode.js'
import { checkOutputSize } from './limits.js'
import { fetchModel } from './model.js'
import type { FromWorker, JobInput, JobOptions, StartOptions, ToWorker, UpscaleResult } from './protocol.js'
import { type Session, startSession } from './session.js'

/** The worker behind `createUpscaler`: one model, one session, one picture after another. */

const send = (message: FromWorker) => self.postMessage(message)
const waiting = new Map<number, { aborted: boolean }>()
let queue: Promise<unknown> = Promise.resolve()
let started: { card: UpscaleCard; session: Session }

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === 'abort') {
    const signal = waiting.get(data.id)
    if (signal) signal.aborted = true
  } else if (data.type === 'start') {
    queue = start(data.options).catch(error => send({ type: 'start-failed', error: plainError(error) }))
  } else {
    const { id, input, options } = data
    const signal = { aborted: false }
    waiting.set(id, signal)
    queue = queue
      .then(() => runJob(id, input, options, signal))
      .then(
        result => send({ type: 'done', id, result }),
        error => send({ type: 'failed', id, error: plainError(explain(error)) }),
      )
      .finally(() => waiting.delete(id))
  }
}

async function start(options: StartOptions): Promise<void> {
  const model = await fetchModel(options.model, options.models)
  const session = await startSession(model, { ...options, threads: threadCount(options.threads) })
  started = { card: model.card, session }
  send({ type: 'ready', card: model.card, ...session.running() })
}

// Shared memory, which threads need, exists on isolated pages only (COOP: same-origin, COEP: require-corp).
function threadCount(asked: number | null): number {
  if (!self.crossOriginIsolated) return 1
  return asked ?? Math.min(8, Math.max(1, navigator.hardwareConcurrency))
}

async function runJob(id: number, input: JobInput, options: JobOptions, signal: { aborted: boolean }): Promise<UpscaleResult> {
  const begun = performance.now()
  const { card, session } = started
  stopIf(signal)
  await checkFormat(options.format)
  const { image, format: inputFormat, profile } = await decodeImage(input, card.scale)
  const format = await outputFormat(options.format, inputFormat)
  checkOutputSize(targetSize(image, card.scale, options), format)
  stopIf(signal)
  const { scale, width, height, tile } = options
  const enlarged = await upscale(image, card, session.infer, {
    scale,
    width,
    height,
    tile,
    signal,
    onProgress: progress => send({ type: 'progress', id, progress }),
  })
  const blob = await encodeImage(enlarged, format, options.quality, profile)
  return {
    ...session.running(),
    blob,
    format,
    width: enlarged.width,
    height: enlarged.height,
    input: { format: inputFormat, width: image.width, height: image.height },
    model: card.id,
    milliseconds: performance.now() - begun,
  }
}

function stopIf(signal: { aborted: boolean }): void {
  if (signal.aborted) throw new UprezError('aborted', 'The work was cancelled')
}

// Browsers report memory that they do not give as a RangeError.
function explain(error: unknown): unknown {
  if (!(error instanceof RangeError)) return error
  return new UprezError('too-many-pixels', 'The browser did not give the memory that this picture needs; try a smaller one.', {
    param: 'image',
    cause: error,
  })
}
