import type { Request, Response } from 'express'
import { defined } from '../infer/defined.js'
import type { Job } from '../infer/engine.js'
import { type InputFormat, sniff } from '../infer/sniff.js'
import type { Admission, Place } from './admission.js'
import { clientOf } from './client.js'
import type { ServerLimits } from './limits.js'
import type { Shelf } from './models.js'
import { parseOptions } from './options.js'
import { checkUpload, createReceiver } from './upload.js'

/** What a request wants done with its picture. */
export interface Order {
  bytes: Uint8Array
  /** What kind of file they are. */
  input: InputFormat
  /** The file's name as the client told it. */
  name: string | undefined
  work: Omit<Job, 'input' | 'output'>
  /** Enlargement along a side, where that was settled before the picture was looked at. */
  scale: number | undefined
  /** Its share of what the server takes on; given back when the answer is over. */
  place: Place
  /** Milliseconds until the picture had arrived. */
  uploadMs: number
}

/**
 * Makes the function that reads a picture and what is to become of it out of a request; `POST /upscale` and `POST /jobs` take
 * the same. It throws UprezError for whatever can be known to be wrong without decoding, headers and query before the body.
 */
export function createIntake(shelf: Shelf, limits: ServerLimits, admission: Admission): (req: Request, res: Response) => Promise<Order> {
  const receive = createReceiver(limits)

  return async (req, res) => {
    const arrived = performance.now()
    shelf.find(parseOptions(req.query).model)
    const place = admission.enter(clientOf(req, res), checkUpload(req, limits))
    res.once('close', place.leave)

    const { bytes, name, form } = await receive(req, res)
    res.locals.bytesIn = bytes.length
    const { model: id, format = 'auto', tile = 0, ...rest } = parseOptions(req.query, form)
    const { card, folder, version } = shelf.find(id)
    const uploadMs = performance.now() - arrived
    res.locals.uploadMs = uploadMs
    const sized = rest.width ?? rest.height ?? rest.longest
    return {
      bytes,
      input: sniff(bytes),
      name,
      work: { model: folder, version, format, tile, ...defined(rest) },
      scale: rest.scale ?? (sized === undefined ? card.scale : undefined),
      place,
      uploadMs,
    }
  }
}
