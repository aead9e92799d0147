import { UprezError } from '../errors.js'
import { fromHalf, toHalf } from '../half.js'
import { type Image, type Pixels, sameType, whiteOf } from '../image/image.js'
import { isGrey } from '../image/luma.js'
import type { Port } from '../models/card.js'

/** Plain numbers for a session: `dims` has the port's layout, batch 1. */
export interface PackedWindow {
  /** Half floats as their bits. */
  data: Float32Array | Uint16Array | Uint8Array
  dims: [number, number, number, number]
}

/**
 * RGB, rows packed, to what the model's input takes: its type, layout, channel order and range. A uint8 NHWC RGB port of
 * range 0..255 gets the bytes of an 8-bit window themselves, uncopied.
 * @throws UprezError `invalid-option` for colour given to a grey model
 */
export function packWindow(window: Image<Pixels>, port: Port): PackedWindow {
  const { data: pixels, width, height } = window
  const dims = dimsOf(port, width, height)
  if (isBytes(port) && pixels instanceof Uint8Array) return { data: pixels, dims }
  if (port.channels === 1 && !isGrey(window)) {
    throw new UprezError('invalid-option', 'this model takes grey pictures only, and the picture has colour', {
      param: 'image',
      expected: 'a grey picture',
      got: 'colour',
    })
  }
  const values = levels(port, whiteOf(pixels))
  const data = arrayFor(port, width * height * port.channels)
  const { pixel, plane } = strides(port, width * height)
  for (let c = 0; c < port.channels; c++) {
    const from = sampleOf(port, c)
    for (let p = 0, i = from, o = c * plane; p < width * height; p++, i += 3, o += pixel) data[o] = values[pixels[i]!]!
  }
  return { data, dims }
}

/**
 * What the model's output holds, back as RGB: range to black..white, clamped, rounded half up (NaN becomes 0). Grey comes as R = G = B.
 * @param width of the result in pixels, as `height`
 * @param data half floats as such or as their bits
 * @param like samples of as many bits as are wanted; default 8
 * @throws UprezError `model-mismatch` where the number of values is not width × height × channels
 */
export function unpackWindow(data: ArrayLike<number>, width: number, height: number, port: Port): Image
export function unpackWindow<S extends Pixels>(data: ArrayLike<number>, width: number, height: number, port: Port, like: S): Image<S>
export function unpackWindow(
  data: ArrayLike<number>,
  width: number,
  height: number,
  port: Port,
  like: Pixels = new Uint8Array(),
): Image<Pixels> {
  const pixels = width * height
  if (data.length !== pixels * port.channels) {
    throw new UprezError(
      'model-mismatch',
      `the output ${port.name} holds ${data.length} values instead of ${width}×${height}×${port.channels}`,
      {
        param: port.name,
        expected: `${pixels * port.channels} values`,
        got: `${data.length}`,
      },
    )
  }
  const white = whiteOf(like)
  if (isBytes(port) && data instanceof Uint8Array && white === 255) return { data, width, height, channels: 3 }
  const values = port.type === 'float16' && data instanceof Uint16Array ? fromHalves(data) : data
  const [low, high] = port.range
  const gain = white / (high - low)
  const out = sameType(like, pixels * 3)
  // Rounded to float32 at every step, as a graph that ends in uint8 computes it: both files of a model give the same bytes.
  const { pixel, plane } = strides(port, pixels)
  for (let c = 0; c < 3; c++) {
    const to = port.channels === 1 ? c : sampleOf(port, c)
    for (let p = 0, i = port.channels === 1 ? 0 : c * plane, o = to; p < pixels; p++, i += pixel, o += 3) {
      const v = Math.fround((values[i]! - low) * gain)
      out[o] = v > 0 ? (v < white ? Math.fround(v + 0.5) : white) : 0
    }
  }
  return { data: out, width, height, channels: 3 }
}

const isBytes = (port: Port) =>
  port.type === 'uint8' &&
  port.layout === 'NHWC' &&
  port.order === 'RGB' &&
  port.channels === 3 &&
  port.range[0] === 0 &&
  port.range[1] === 255

const ARRAYS = { float32: Float32Array, float16: Uint16Array, uint8: Uint8Array }

/** Room for the values of a port. */
export function arrayFor({ type }: Port, length: number): PackedWindow['data'] {
  return new ARRAYS[type](length)
}

const ROUNDING = { float32: (value: number) => value, float16: toHalf, uint8: Math.round }

/** The port's value for each value of a sample. */
function levels({ range: [low, high], type }: Port, white: number): Float32Array {
  const values = new Float32Array(white + 1)
  for (let sample = 0; sample <= white; sample++) values[sample] = ROUNDING[type](low + (sample / white) * (high - low))
  return values
}

let halves: Float32Array | undefined

function fromHalves(bits: Uint16Array): Float32Array {
  halves ??= Float32Array.from({ length: 65_536 }, (_, bits) => fromHalf(bits))
  return Float32Array.from(bits, half => halves![half]!)
}

// Steps in the port's array: from one pixel to the next, and from one channel to the next.
const strides = (port: Port, pixels: number) => (port.layout === 'NCHW' ? { pixel: 1, plane: pixels } : { pixel: port.channels, plane: 1 })

const sampleOf = (port: Port, channel: number) => (port.order === 'BGR' ? 2 - channel : channel)

const dimsOf = ({ layout, channels }: Port, width: number, height: number): PackedWindow['dims'] =>
  layout === 'NCHW' ? [1, channels, height, width] : [1, height, width, channels]
