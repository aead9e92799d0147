import type { Image } from '../image/image.js'

/**
 * Runs the model once on one window of 8-bit RGB and returns 8-bit RGB, `scale` times as wide and high.
 * The buffer of the window belongs to the callee (it may be transferred), that of the answer to the caller.
 * The platform (ONNX Runtime in Node or in a browser) supplies it; `runtime/` never sees a session.
 */
export type Infer = (window: Image) => Promise<Image>

/** The part of `AbortSignal` that portable code needs. */
export interface Abort {
  readonly aborted: boolean
}

/** Work done so far, in tiles. */
export interface Progress {
  done: number
  total: number
}
