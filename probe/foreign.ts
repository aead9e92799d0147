import '../no-telemetry.js'
import ort from 'onnxruntime-node'
import { fromHalf, toHalf } from '../half.js'
import type { Port } from '../models/card.js'
import { channelAxis, shapeOf, sideAxes } from './layout.js'
import type { Planes, Session } from './session.js'

/** A session of a graph that somebody else wrote: its first input and its first output. */
export interface ForeignSession {
  run(input: Pick<Port, 'name' | 'type'>, output: string, values: Values): Promise<Values>
  close(): Promise<void>
}

export interface Values {
  /** Half floats as their bits, where the platform has no array of them. */
  data: ArrayLike<number>
  dims: readonly number[]
}

/** Silent: what ONNX Runtime refuses is an answer here, not an accident. Blocks the thread that it runs on. */
export async function openForeign(bytes: Uint8Array): Promise<ForeignSession> {
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['cpu'], logSeverityLevel: 4 })
  return {
    async run(input, output, { data, dims }) {
      const tensor = new ort.Tensor(input.type, data as Float32Array, dims)
      const answer = (await session.run({ [input.name]: tensor }, [output], { logSeverityLevel: 4 }))[output]!
      return { data: answer.data as Float32Array, dims: answer.dims }
    },
    close: () => session.release(),
  }
}

/**
 * The session with float NCHW of [0, 1] at both ends, whatever its own ports are. A port of one channel takes the green of a
 * picture of three.
 */
export function throughPorts(session: ForeignSession, input: Port, output: Port): Pick<Session, 'run'> {
  return {
    run: async planes => decode(await session.run(input, output.name, encode(planes, input)), output),
  }
}

export function encode({ data, dims: [, from, height, width] }: Planes, port: Port): Values {
  const { channels, range, type } = port
  const [low, high] = range
  const size = height! * width!
  const { pixel, plane } = stridesOf(port, size)
  const out = arrayOf(type, size * channels)
  const round = type === 'uint8' ? Math.round : type === 'float16' ? toHalf : (value: number) => value
  for (let c = 0; c < channels; c++) {
    const source = (channels < from! ? 1 : sampleOf(port, c)) * size
    for (let p = 0; p < size; p++) out[c * plane + p * pixel] = round(low + data[source + p]! * (high - low))
  }
  return { data: out, dims: shapeOf({ layout: port.layout, channels }, { height: height!, width: width! }) }
}

export function decode({ data, dims }: Values, port: Port): Planes {
  const [height, width] = sideAxes(port.layout).map(axis => dims[axis]!) as [number, number]
  const channels = dims[channelAxis(port.layout)]!
  const [low, high] = port.range
  const size = height * width
  const { pixel, plane } = stridesOf({ ...port, channels: channels as 1 | 3 }, size)
  const read = port.type === 'float16' && data instanceof Uint16Array ? fromHalf : (value: number) => value
  const out = new Float32Array(size * channels)
  for (let c = 0; c < channels; c++) {
    const target = sampleOf(port, c) * size
    for (let p = 0; p < size; p++) out[target + p] = (read(data[c * plane + p * pixel]!) - low) / (high - low)
  }
  return { data: out, dims: [1, channels, height, width] }
}

const stridesOf = ({ layout, channels }: Port, size: number) =>
  layout === 'NCHW' ? { pixel: 1, plane: size } : { pixel: channels, plane: 1 }

const sampleOf = ({ order, channels }: Port, c: number) => (order === 'BGR' ? channels - 1 - c : c)

function arrayOf(type: Port['type'], length: number): Float32Array | Uint16Array | Uint8Array {
  return type === 'uint8' ? new Uint8Array(length) : type === 'float16' ? new Uint16Array(length) : new Float32Array(length)
}
