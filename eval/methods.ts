import type { Image } from '../image/image.js'
import { type ResizeKernel, resize } from '../image/resize.js'
import { encode } from '../infer/encode.js'
import type { Engine } from '../infer/engine.js'
import { decode } from '../infer/files.js'
import type { Model } from '../models/catalog.js'
import { rgb } from './pairs.js'

/** A way to enlarge. */
export interface Method {
  /** Of its rows, and of its folder among the saved pictures. */
  name: string
  /** 8-bit RGB → 8-bit RGB of the size given. */
  enlarge(low: Image, size: { width: number; height: number }): Promise<Enlarged>
}

export interface Enlarged {
  picture: Image
  /**
   * A model: from the low picture's PNG in our hand to the result's, through the engine that serves (decode, tiles, encode and
   * the way to the engine's process and back), one picture at a time. A kernel: the resize alone, one thread.
   */
  seconds: number
}

/** What every model is compared with. */
export const KERNELS: readonly Method[] = [kernel('bilinear', 'bilinear'), kernel('bicubic', 'bicubic'), kernel('lanczos', 'lanczos3')]

/** A model at this scale; another than its own is reached by the final resize, as in `uprez upscale -s`. */
export function modelMethod(engine: Engine, model: Pick<Model, 'card' | 'folder'>, scale: number): Method {
  return {
    name: model.card.id,
    async enlarge(low) {
      const bytes = await encode(low, 'png', undefined, {})
      const job = {
        input: { bytes },
        model: model.folder,
        format: 'png' as const,
        tile: 0,
        ...(scale === model.card.scale ? {} : { scale }),
      }
      const { value, seconds } = await timed(() => engine.upscale(job))
      return { picture: rgb((await decode(value.bytes!, { maxInputPixels: Number.MAX_SAFE_INTEGER })).image), seconds }
    },
  }
}

function kernel(name: string, kernel: ResizeKernel): Method {
  return {
    name,
    async enlarge(low, size) {
      const { value, seconds } = await timed(() => resize(low, { ...size, kernel }))
      return { picture: value, seconds }
    },
  }
}

async function timed<T>(work: () => T | Promise<T>): Promise<{ value: T; seconds: number }> {
  const start = performance.now()
  const value = await work()
  return { value, seconds: (performance.now() - start) / 1000 }
}
