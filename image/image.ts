/** Bytes (0..255), 16-bit integers (0..65535) or floats (0..1). */
export type Samples = Uint8Array | Uint16Array | Float32Array

/** What files hold. */
export type Pixels = Uint8Array | Uint16Array

/**
 * A picture in memory: samples interleaved row by row (NHWC without N), rows packed.
 * Channels: 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha (alpha not premultiplied).
 */
export interface Image<S extends Samples = Uint8Array> {
  data: S
  width: number
  height: number
  channels: number
}

/** Zeros of the same kind. */
export function sameType<S extends Samples>(like: S, length: number): S {
  const made =
    like instanceof Uint8Array ? new Uint8Array(length) : like instanceof Uint16Array ? new Uint16Array(length) : new Float32Array(length)
  return made as Samples as S
}

/** The value of white. */
export const whiteOf = (data: Samples): number => (data instanceof Uint8Array ? 255 : data instanceof Uint16Array ? 65_535 : 1)
