import type { Request, Response } from 'express'
import { defined } from '../infer/defined.js'
import type { Job } from '../infer/engine.js'
import { type InputFormat, sniff } from '../infer/sniff.js'
import type { Admission, Place } from './admission.js'
import { clientOf } from './client.js'
import type { JobsFolder } from './jobs-folder.js'
import { type LargeFiles, largeFiles, type Received } from './large.js'
import type { ServerLimits } from './limits.js'
import type { Shelf } from './models.js'
import { parseOptions } from './options.js'
import { checkUpload, createReceiver } from './upload.js'

/** What a request wants done with its picture. */
export interface Order {
  upload: Received
  /** What kind of file it is. */
  input: InputFormat
  /** The file's name as the client told it. */
  name: string | undefined
  work: Omit<Job, 'input' | 'output'>
  /** Enlargement along a side, where that was settled before the picture was looked at. */
  scale: number | undefined
  /** Its share of what the server takes on; given back when the answer is over. */
  place: Place
  /** Removed when the answer is over, with the upload if it is there. */
  files: LargeFiles
  /** Milliseconds until the picture had arrived. */
  uploadMs: number
}

/**
 * Makes the function that reads a picture and what is to become of it out of a request; `POST /upscale` and `POST /jobs` take
 * the same. It throws UprezError for whatever can be known to be wrong without decoding, headers and query before the body.
 */
export function createIntake(
  shelf: Shelf,
  limits: ServerLimits,
  admission: Admission,
  jobsFolder: JobsFolder,
): (req: Request, res: Response) => Promise<Order> {
  const receive = createReceiver(limits)

  return async (req, res) => {
    const arrived = performance.now()
    shelf.find(parseOptions(req.query).model)
    const place = admission.enter(clientOf(req, res), checkUpload(req, limits))
    res.once('close', place.leave)

    const files = largeFiles(jobsFolder)
    res.once('close', files.drop)

    const { name, form, ...upload } = await receive(req, res, files)
    res.locals.bytesIn = upload.size
    const { model: id, format = 'auto', tile = 0, ...rest } = parseOptions(req.query, form)
    const { card, folder, version } = shelf.find(id)
    const uploadMs = performance.now() - arrived
    res.locals.uploadMs = uploadMs
    const sized = rest.width ?? rest.height ?? rest.longest
    return {
      upload,
      input: sniff(upload.head),
      name,
      work: { model: folder, version, format, tile, ...defined(rest) },
      scale: rest.scale ?? (sized === undefined ? card.scale : undefined),
      place,
      files,
      uploadMs,
    }
  }
}
