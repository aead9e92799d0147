/** Bytes (0..255), 16-bit integers (0..65535) or floats (0..1). */
export type Samples = Uint8Array | Uint16Array | Float32Array

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
