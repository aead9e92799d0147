import { closeSync, openSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { writeError } from '../atomic.js'

/**
 * TensorBoard event files: a TFRecord stream of Event messages. Per record: [u64 length][masked crc32c of it]
 * [bytes][masked crc32c of them]. https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
 * The messages are written by hand; field numbers from tensorflow/core/util/event.proto and framework/summary.proto.
 */
export interface Events {
  scalars(step: number, values: Record<string, number>): void
  /** @param png an encoded picture */
  picture(step: number, tag: string, png: Uint8Array, width: number, height: number): void
  /** The distribution of the finite ones among the values, in thirty buckets of equal width as TensorFlow's own writer has them. */
  histogram(step: number, tag: string, values: ArrayLike<number>): void
  close(): void
}

/** SessionLog.SessionStatus.START: readers forget what earlier files hold of this step and later ones. */
const SESSION_START = 1

/**
 * Opens a new event file in the folder; a resumed run adds one, which TensorBoard joins to the earlier ones.
 * @param step the first step that will be written
 * @throws UprezError `not-writable`, `no-space`, here and at every write
 */
export function openEvents(folder: string, step: number, now: () => number = Date.now): Events {
  const path = join(folder, `events.out.tfevents.${Math.floor(now() / 1000)}.${hostname()}.${process.pid}`)
  const file = attempt(path, () => openSync(path, 'a'))
  const write = (event: Buffer) => attempt(path, () => writeFileSync(file, frame(event)))
  write(Buffer.concat([double(1, now() / 1000), bytes(3, Buffer.from('brain.Event:2'))]))
  write(Buffer.concat([double(1, now() / 1000), integer(2, step), bytes(7, integer(1, SESSION_START))]))
  const summary = (step: number, values: Buffer[]) =>
    write(Buffer.concat([double(1, now() / 1000), integer(2, step), bytes(5, Buffer.concat(values.map(value => bytes(1, value))))]))
  return {
    scalars(step, values) {
      summary(
        step,
        Object.entries(values).map(([tag, value]) => Buffer.concat([bytes(1, Buffer.from(tag)), float(2, value)])),
      )
    },
    picture(step, tag, png, width, height) {
      const image = Buffer.concat([integer(1, height), integer(2, width), integer(3, 3), bytes(4, png)])
      summary(step, [Buffer.concat([bytes(1, Buffer.from(tag)), bytes(4, image)])])
    },
    histogram(step, tag, values) {
      summary(step, [Buffer.concat([bytes(1, Buffer.from(tag)), bytes(5, histogram(values))])])
    },
    close: () => closeSync(file),
  }
}

const BUCKETS = 30

/** HistogramProto: min, max, number, sum, sum of squares; right edges of the buckets; how many lie in each. */
function histogram(values: ArrayLike<number>): Buffer {
  let [least, most, count, sum, squares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0]
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (!Number.isFinite(value)) continue
    least = Math.min(least, value)
    most = Math.max(most, value)
    count++
    sum += value
    squares += value * value
  }
  if (count === 0) return Buffer.alloc(0)
  const width = (most - least) / BUCKETS
  const filled = new Array<number>(width > 0 ? BUCKETS : 1).fill(0)
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i]!)) filled[width > 0 ? Math.min(BUCKETS - 1, Math.floor((values[i]! - least) / width)) : 0]!++
  }
  const edges = filled.map((_, i) => (i === filled.length - 1 ? most : least + (i + 1) * width))
  const facts = [least, most, count, sum, squares].map((value, i) => double(i + 1, value))
  return Buffer.concat([...facts, doubles(6, edges), doubles(7, filled)])
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw writeError(error, path)
  }
}

function frame(event: Buffer): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(event.length))
  return Buffer.concat([length, maskedCrc(length), event, maskedCrc(event)])
}

// Protocol Buffers wire format: https://protobuf.dev/programming-guides/encoding/
function varint(value: number): Buffer {
  const out: number[] = []
  let rest = BigInt(value)
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128)
  return Buffer.from([...out, Number(rest)])
}

function integer(field: number, value: number): Buffer {
  return Buffer.concat([varint(field << 3), varint(value)])
}

function double(field: number, value: number): Buffer {
  const out = Buffer.alloc(9)
  out[0] = (field << 3) | 1
  out.writeDoubleLE(value, 1)
  return out
}

function doubles(field: number, values: readonly number[]): Buffer {
  return bytes(field, new Uint8Array(Float64Array.from(values).buffer))
}

function float(field: number, value: number): Buffer {
  const out = Buffer.alloc(5)
  out[0] = (field << 3) | 5
  out.writeFloatLE(value, 1)
  return out
}

function bytes(field: number, value: Uint8Array): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(value.length), value])
}

/** CRC-32C (Castagnoli, RFC 3720 appendix B.4), one byte at a time; node's zlib.crc32 is another polynomial. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of data) crc = TABLE[(crc ^ byte) & 255]! ^ (crc >>> 8)
  return ~crc >>> 0
}

function maskedCrc(data: Uint8Array): Buffer {
  const crc = crc32c(data)
  const out = Buffer.alloc(4)
  out.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0)
  return out
}
