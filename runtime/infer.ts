import type { Image, Pixels } from '../image/image.js'

/**
 * Runs the model once on one window of RGB and returns RGB of as many bits, `scale` times as wide and high.
 * The buffer of the window belongs to the callee (it may be transferred), that of the answer to the caller.
 * The platform (ONNX Runtime in Node or in a browser) supplies it; `runtime/` never sees a session.
 */
export type Infer<S extends Pixels = Uint8Array> = (window: Image<S>) => Promise<Image<S>>

/** The part of `AbortSignal` that portable code needs. */
export interface Abort {
  readonly aborted: boolean
}

/** Work done so far, in tiles. */
export interface Progress {
  done: number
  total: number
}
