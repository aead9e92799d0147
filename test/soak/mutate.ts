import { crc32 } from 'node:zlib'
import { between, pick } from './part.js'

/** Damages of files, drawn by `next`: the same draws give the same damage. Each leaves its input as it is. */
export type Mutation = (bytes: Buffer, next: () => number) => Buffer

export const MUTATIONS: Record<string, Mutation> = {
  'bits flipped': flipBits,
  truncated: (bytes, next) => bytes.subarray(0, place(bytes, next)),
  'header lies': lie,
  'piece repeated': repeatPiece,
  'piece lost': (bytes, next) => {
    const [from, to] = piece(bytes, next)
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
  },
  'PNG chunk lies': lieInPng,
  'PNG chunk repeated': repeatPngChunk,
  untouched: bytes => bytes,
}

const place = (bytes: Buffer, next: () => number): number => Math.floor(next() * bytes.length)

function piece(bytes: Buffer, next: () => number): [from: number, to: number] {
  const from = place(bytes, next)
  return [from, Math.min(bytes.length, from + Math.ceil(between(next, 0, bytes.length / 4) ** between(next, 0.3, 1)))]
}

function flipBits(bytes: Buffer, next: () => number): Buffer {
  const out = Buffer.from(bytes)
  const count = pick(next, [1, 1, 2, 4, 16, 64])
  for (let i = 0; i < count && out.length > 0; i++) out[place(out, next)]! ^= 1 << Math.floor(next() * 8)
  return out
}

const LOUD = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0xffffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]

/** A number of one, two or four bytes somewhere in front becomes an unlikely one. */
function lie(bytes: Buffer, next: () => number): Buffer {
  const out = Buffer.from(bytes)
  if (out.length < 8) return out
  const at = Math.floor(next() * Math.min(out.length - 4, pick(next, [32, 64, 256, 1024])))
  const value = pick(next, LOUD)
  const put = pick(next, [
    () => out.writeUInt8(value & 0xff, at),
    () => out.writeUInt16BE(value & 0xffff, at),
    () => out.writeUInt16LE(value & 0xffff, at),
    () => out.writeUInt32BE(value, at),
    () => out.writeUInt32LE(value, at),
  ])
  put()
  return out
}

function repeatPiece(bytes: Buffer, next: () => number): Buffer {
  const [from, to] = piece(bytes, next)
  const at = place(bytes, next)
  const copies = Array<Buffer>(pick(next, [1, 1, 2, 50])).fill(bytes.subarray(from, to))
  return Buffer.concat([bytes.subarray(0, at), ...copies, bytes.subarray(at)])
}

/** A lie whose checksum is right, so that it gets as far as the decoder. Other files: a plain one. */
function lieInPng(bytes: Buffer, next: () => number): Buffer {
  const chunks = pngChunks(bytes)
  if (chunks.length === 0) return lie(bytes, next)
  const [from, to] = next() < 0.6 ? chunks[0]! : pick(next, chunks)
  const body = next() < 0.5 ? flipBits(bytes.subarray(from + 8, to - 4), next) : lie(bytes.subarray(from + 8, to - 4), next)
  const typed = Buffer.concat([bytes.subarray(from + 4, from + 8), body])
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(typed))
  return Buffer.concat([bytes.subarray(0, from + 4), typed, sum, bytes.subarray(to)])
}

function repeatPngChunk(bytes: Buffer, next: () => number): Buffer {
  const chunks = pngChunks(bytes)
  if (chunks.length === 0) return repeatPiece(bytes, next)
  const [from, to] = pick(next, chunks)
  const [at] = pick(next, chunks)
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, to), bytes.subarray(at)])
}

/** From the length to the checksum, https://www.w3.org/TR/png/#5Chunk-layout. Nothing where it is no PNG. */
function pngChunks(bytes: Buffer): [from: number, to: number][] {
  const found: [number, number][] = []
  if (bytes.toString('latin1', 1, 4) !== 'PNG') return found
  for (let at = 8; at + 12 <= bytes.length; ) {
    const to = at + 12 + bytes.readUInt32BE(at)
    if (to > bytes.length) break
    found.push([at, to])
    at = to
  }
  return found
}
