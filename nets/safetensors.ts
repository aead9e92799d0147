import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { UprezError } from '../errors.js'
import { fromHalf } from '../half.js'
import { fromBfloat16, type Weight } from './torch-file.js'

const headerSchema = z
  .object({ __metadata__: z.unknown().optional() })
  .catchall(z.object({ dtype: z.string(), shape: z.array(z.int().nonnegative()), data_offsets: z.tuple([z.int(), z.int()]) }))

/**
 * Reads the tensors of a file in the safetensors layout: the length of a header as u64, the header as JSON (name → dtype,
 * shape, offsets), then the numbers, little-endian. https://github.com/huggingface/safetensors#format
 * All numbers become float32.
 * @throws UprezError `no-input`, `invalid-weights`; also for numbers of another kind than float64, float32, float16 and bfloat16
 */
export async function readSafetensors(path: string): Promise<Map<string, Weight>> {
  const bytes = await readFile(path).catch(cause => {
    throw new UprezError('no-input', `${path} cannot be read`, { expected: 'a .safetensors file', got: path, cause })
  })
  try {
    const start = 8 + Number(bytes.readBigUInt64LE(0))
    const { __metadata__: _, ...tensors } = headerSchema.parse(JSON.parse(bytes.toString('utf8', 8, start)))
    const entries = Object.entries(tensors as Record<string, Tensor>)
    const total = entries.reduce((sum, [, { data_offsets: at }]) => sum + Math.abs(at[1] - at[0]), 0)
    // Tensors over one another would let a small file stand for any number of weights.
    if (total > bytes.length) throw new Error('its tensors overlap')
    return new Map(entries.map(([name, tensor]) => [name, read(bytes, start, name, tensor)]))
  } catch (cause) {
    throw new UprezError('invalid-weights', `${path} is no whole safetensors file: ${(cause as Error).message}`, {
      expected: 'tensors of floating-point numbers in the safetensors layout',
      got: path,
      cause,
    })
  }
}

/**
 * A file of that layout.
 * @param about goes into its header
 */
export function safetensors(weights: Map<string, Weight>, about: Record<string, string>): Buffer {
  let at = 0
  const tensors = [...weights].map(([name, { shape, data }]) => {
    const from = at
    at += data.byteLength
    return [name, { dtype: 'F32', shape, data_offsets: [from, at] }] as const
  })
  const header = JSON.stringify({ __metadata__: about, ...Object.fromEntries(tensors) })
  // Numbers begin at a multiple of eight bytes.
  const text = Buffer.from(header + ' '.repeat(-Buffer.byteLength(header) & 7))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const numbers = [...weights.values()].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  return Buffer.concat([length, text, ...numbers])
}

type Tensor = z.infer<typeof headerSchema>[string] & { dtype: string; shape: number[]; data_offsets: [number, number] }

interface Dtype {
  /** Of one number. */
  bytes: number
  read(part: Buffer): Float32Array
}

const DTYPES: Record<string, Dtype> = {
  // A copy, since the numbers may lie at any byte of the file.
  F32: { bytes: 4, read: part => new Float32Array(Uint8Array.prototype.slice.call(part).buffer) },
  F64: dtype(8, (view, at) => view.getFloat64(at, true)),
  F16: dtype(2, (view, at) => fromHalf(view.getUint16(at, true))),
  BF16: dtype(2, (view, at) => fromBfloat16(view.getUint16(at, true))),
}

function dtype(bytes: number, read: (view: DataView, at: number) => number): Dtype {
  const each = (view: DataView) => Float32Array.from({ length: view.byteLength / bytes }, (_, i) => read(view, i * bytes))
  return { bytes, read: part => each(new DataView(part.buffer, part.byteOffset, part.byteLength)) }
}

function read(bytes: Buffer, start: number, name: string, { dtype, shape, data_offsets: [from, to] }: Tensor): Weight {
  const kind = DTYPES[dtype]
  if (!kind) throw new Error(`${name} holds ${dtype}`)
  const needed = shape.reduce((product, side) => product * side, kind.bytes)
  const part = bytes.subarray(start + from, start + to)
  if (to - from !== needed || part.length !== needed) throw new Error(`${name} has ${part.length} bytes, its shape needs ${needed}`)
  return { shape, data: kind.read(part) }
}
