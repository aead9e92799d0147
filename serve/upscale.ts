import type { RequestHandler, Response } from 'express'
import { UprezError } from '../errors.js'
import { defined } from '../infer/defined.js'
import type { Engine, JobResult } from '../infer/engine.js'
import { sniff } from '../infer/sniff.js'
import { createAdmission } from './admission.js'
import { contentDisposition, resultName } from './disposition.js'
import { MEDIA_TYPES, negotiateFormat } from './format.js'
import type { ServerLimits } from './limits.js'
import type { Shelf } from './models.js'
import { parseOptions } from './options.js'
import { checkUpload, createReceiver } from './upload.js'

/** `POST /upscale`: one picture in, the larger one out. */
export function upscaleRoute(engine: Engine, shelf: Shelf, limits: ServerLimits): RequestHandler {
  const admission = createAdmission(limits)
  const receive = createReceiver(limits)

  return async (req, res) => {
    const arrived = performance.now()
    // Whatever can be refused before the body is read is refused before.
    shelf.find(parseOptions(req.query).model)
    const place = admission.enter(checkUpload(req, limits))
    res.once('close', place.leave)
    const signal = abortedWhenGone(res)

    const upload = await receive(req, res)
    res.locals.bytesIn = upload.bytes.length
    const { model: id, format: asked = 'auto', tile = 0, ...rest } = parseOptions(req.query, upload.form)
    const model = shelf.find(id)
    const input = sniff(upload.bytes)
    const format = asked === 'auto' ? negotiateFormat(req, input) : asked
    const received = performance.now()

    const job = { input: { bytes: upload.bytes }, model: model.folder, format, tile, ...defined(rest) }
    const result = await engine.upscale(job, { signal }).catch(error => {
      throw error instanceof UprezError && error.code === 'aborted' && !signal.aborted ? shuttingDown() : error
    })
    const done = performance.now()

    place.holds(result.bytes!.length)

    const scale = rest.scale ?? ((rest.width ?? rest.height) ? enlargement(result) : model.card.scale)
    res.set({
      'Content-Disposition': contentDisposition(resultName(upload.name, scale, result.format)),
      'Server-Timing': serverTiming({ upload: received - arrived, upscale: result.milliseconds, total: done - arrived }),
      'X-Uprez-Scale': String(scale),
    })
    send(res, result, limits)
  }
}

function send(res: Response, { bytes, format, model, width, height, provider }: JobResult, { sendTimeoutMs }: ServerLimits): void {
  // Not res.send: it would hash the whole picture for an ETag that nobody asks for.
  res.set({
    'Content-Type': MEDIA_TYPES[format],
    'Content-Length': String(bytes!.length),
    'X-Uprez-Model': model,
    'X-Uprez-Width': String(width),
    'X-Uprez-Height': String(height),
    'X-Uprez-Provider': provider,
  })
  res.setTimeout(sendTimeoutMs, () => res.destroy())
  res.end(bytes)
}

function abortedWhenGone(res: Response): AbortSignal {
  const controller = new AbortController()
  res.once('close', () => {
    if (!res.writableFinished) controller.abort()
  })
  return controller.signal
}

const serverTiming = (milliseconds: Record<string, number>): string =>
  Object.entries(milliseconds)
    .map(([name, ms]) => `${name};dur=${ms.toFixed(1)}`)
    .join(', ')

/** Along one side. By the areas, because an orientation may have exchanged the sides. */
const enlargement = ({ width, height, input }: JobResult): number =>
  Number(Math.sqrt((width * height) / (input.width * input.height)).toFixed(4))

const shuttingDown = (): UprezError => new UprezError('busy', 'The server is shutting down', { expected: 'another try' })
