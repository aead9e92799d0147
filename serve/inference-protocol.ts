import { Router } from 'express'
import { z } from 'zod'
import type { Port, UpscaleCard } from '../models/card.js'
import type { ServerState } from './app.js'
import type { Shelf } from './models.js'
import { methodNotAllowed } from './problem.js'
import { packageVersion } from './version.js'

/**
 * Health and metadata of the Open Inference Protocol (KServe's version 2, "REST": kserve.github.io, and Triton's). There is no
 * `/infer`: tensors go in and out as pictures, by POST /upscale. Errors are problems as everywhere here, with what the protocol
 * wants told by the status alone.
 */

export const liveSchema = z.strictObject({ live: z.boolean() })
export const readySchema = z.strictObject({ ready: z.boolean() })
export const modelReadySchema = z.strictObject({ name: z.string(), ready: z.boolean() })
export const serverMetadataSchema = z.strictObject({ name: z.string(), version: z.string(), extensions: z.array(z.string()) })

const tensorSchema = z.strictObject({
  name: z.string(),
  datatype: z.enum(['FP32', 'FP16', 'UINT8']),
  shape: z.array(z.int().min(-1)).describe('-1: any'),
})
export const modelMetadataSchema = z.strictObject({
  name: z.string(),
  platform: z.string(),
  inputs: z.array(tensorSchema),
  outputs: z.array(tensorSchema),
})

type Tensor = z.infer<typeof tensorSchema>
type ModelMetadata = z.infer<typeof modelMetadataSchema>

/** For probes, without a key. */
export function inferenceHealthRoutes(state: ServerState): Router {
  const router = Router()
  const only = methodNotAllowed('GET', 'HEAD')
  router
    .route('/v2/health/live')
    .get((_req, res) => void res.json({ live: true }))
    .all(only)
  router
    .route('/v2/health/ready')
    .get((_req, res) => {
      const ready = state.ready && !state.closing
      res.status(ready ? 200 : 503).json({ ready })
    })
    .all(only)
  return router
}

export function inferenceMetadataRoutes(shelf: Shelf): Router {
  const router = Router()
  const only = methodNotAllowed('GET', 'HEAD')
  router
    .route('/v2')
    .get((_req, res) => void res.json({ name: 'uprez', version: packageVersion, extensions: [] }))
    .all(only)
  router
    .route('/v2/models/:id')
    .get((req, res) => void res.json(metadataOf(shelf.find(req.params.id).card)))
    .all(only)
  // A model that is listed is loaded when it is asked for.
  router
    .route('/v2/models/:id/ready')
    .get((req, res) => void res.json({ name: shelf.find(req.params.id).card.id, ready: true }))
    .all(only)
  return router
}

/** Of the canonical file. */
function metadataOf({ id, model, fixedSize, scale }: UpscaleCard): ModelMetadata {
  const enlarged = fixedSize && { width: fixedSize.width * scale, height: fixedSize.height * scale }
  return {
    name: id,
    platform: 'onnxruntime_onnx',
    inputs: [tensorOf(model.input, fixedSize)],
    outputs: [tensorOf(model.output, enlarged)],
  }
}

const DATATYPES: Record<Port['type'], Tensor['datatype']> = { float32: 'FP32', float16: 'FP16', uint8: 'UINT8' }

function tensorOf({ name, type, layout, channels }: Port, size: UpscaleCard['fixedSize']): Tensor {
  const { width, height } = size ?? { width: -1, height: -1 }
  return { name, datatype: DATATYPES[type], shape: layout === 'NCHW' ? [-1, channels, height, width] : [-1, height, width, channels] }
}
