import { UprezError } from '../errors.js'
import type { Image } from '../image/image.js'
import { isGrey } from '../image/luma.js'
import type { Port } from '../models/card.js'

/** Plain numbers for a session: `dims` has the port's layout, batch 1. */
export interface PackedWindow {
  data: Float32Array | Uint8Array
  dims: [number, number, number, number]
}

/**
 * 8-bit RGB, rows packed, to what the model's input takes: its type, layout, channel order and range. A uint8 NHWC RGB port of
 * range 0..255 gets the window's own bytes, uncopied.
 * @throws UprezError `invalid-card` for float16 (keep float32 or uint8 at the ends), `invalid-option` for colour given to a grey model
 */
export function packWindow(window: Image, port: Port): PackedWindow {
  refuseFloat16(port)
  const { data: pixels, width, height } = window
  const dims = dimsOf(port, width, height)
  if (isBytes(port)) return { data: pixels, dims }
  if (port.channels === 1 && !isGrey(window)) {
    throw new UprezError('invalid-option', 'this model takes grey pictures only, and the picture has colour', {
      param: 'image',
      expected: 'a grey picture',
      got: 'colour',
    })
  }
  const values = levels(port)
  const data = port.type === 'uint8' ? new Uint8Array(width * height * port.channels) : new Float32Array(width * height * port.channels)
  const { pixel, plane } = strides(port, width * height)
  for (let c = 0; c < port.channels; c++) {
    const from = sampleOf(port, c)
    for (let p = 0, i = from, o = c * plane; p < width * height; p++, i += 3, o += pixel) data[o] = values[pixels[i]!]!
  }
  return { data, dims }
}

/**
 * What the model's output holds, back as 8-bit RGB: range to 0..255, clamped, rounded half up (NaN becomes 0). Grey comes as R = G = B.
 * @param width of the result in pixels, as `height`
 * @throws UprezError `invalid-card` for float16, `model-mismatch` where the number of values is not width × height × channels
 */
export function unpackWindow(data: Float32Array | Uint8Array, width: number, height: number, port: Port): Image {
  refuseFloat16(port)
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
  if (isBytes(port) && data instanceof Uint8Array) return { data, width, height, channels: 3 }
  const [low, high] = port.range
  const gain = 255 / (high - low)
  const out = new Uint8Array(pixels * 3)
  // Rounded to float32 at every step, as a graph that ends in uint8 computes it: both files of a model give the same bytes.
  const { pixel, plane } = strides(port, pixels)
  for (let c = 0; c < 3; c++) {
    const to = port.channels === 1 ? c : sampleOf(port, c)
    for (let p = 0, i = port.channels === 1 ? 0 : c * plane, o = to; p < pixels; p++, i += pixel, o += 3) {
      const v = Math.fround((data[i]! - low) * gain)
      out[o] = v > 0 ? (v < 255 ? Math.fround(v + 0.5) : 255) : 0
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

/** The port's value for each of the 256 bytes. */
function levels(port: Port): Float32Array {
  const [low, high] = port.range
  const round = port.type === 'uint8' ? Math.round : (v: number) => v
  return Float32Array.from({ length: 256 }, (_, byte) => round(low + (byte / 255) * (high - low)))
}

// Steps in the port's array: from one pixel to the next, and from one channel to the next.
const strides = (port: Port, pixels: number) => (port.layout === 'NCHW' ? { pixel: 1, plane: pixels } : { pixel: port.channels, plane: 1 })

const sampleOf = (port: Port, channel: number) => (port.order === 'BGR' ? 2 - channel : channel)

const dimsOf = ({ layout, channels }: Port, width: number, height: number): PackedWindow['dims'] =>
  layout === 'NCHW' ? [1, channels, height, width] : [1, height, width, channels]

function refuseFloat16(port: Port): void {
  if (port.type !== 'float16') return
  throw new UprezError(
    'invalid-card',
    `${port.name}: float16 inputs and outputs are not supported; cast inside the graph and keep float32 or uint8 at its ends`,
    {
      param: 'type',
      expected: 'float32 or uint8',
      got: 'float16',
    },
  )
}
