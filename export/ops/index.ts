import { activationOps } from './activations.js'
import type { Op } from './call.js'
import { convolutionOps } from './convolutions.js'
import { mergeOps } from './merges.js'
import { normalizationOps } from './normalizations.js'
import { poolingOps } from './pooling.js'
import { resizeOps } from './resizes.js'
import { shapeOps } from './shapes.js'

/** tfjs layer class → how it is written in ONNX. Adding a layer is adding a function to one of these. */
export const ops: Record<string, Op> = {
  ...activationOps,
  ...convolutionOps,
  ...mergeOps,
  ...normalizationOps,
  ...poolingOps,
  ...resizeOps,
  ...shapeOps,
}
