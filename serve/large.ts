import { randomUUID } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { UprezError } from '../errors.js'
import type { Job, Measure } from '../infer/engine.js'
import { HEAD_BYTES } from '../infer/sniff.js'
import { type JobsFolder, storageError } from './jobs-folder.js'

/**
 * What is too large to be held by two processes lies in files while a request lasts: an upload from the moment that it has grown so
 * large, a result because the engine writes it there, row by row where the format lets it.
 */
export interface LargeFiles {
  /** Takes an upload in, to its end. @throws UprezError `no-space`, `internal`; and what the upload throws */
  receive(upload: AsyncIterable<Buffer>): Promise<Received>
  /** Where the engine is to put a result; undefined where it is small, and its bytes come back. @throws UprezError `no-space`, `internal` */
  place(measure: Measure): Promise<string | undefined>
  /** What the engine has put there. */
  read(): Promise<{ size: number; body: Readable }>
  /** Removes what there is; what cannot be removed now is when the server ends. */
  drop(): Promise<void>
}

/** An upload, whole. */
export interface Received {
  size: number
  /** Its first bytes, `HEAD_BYTES` of them if there are so many. */
  head: Uint8Array
  input: Job['input']
}

const LARGE_BYTES = 8 * 1024 * 1024
/** 48 MB of bytes in RGB. */
const LARGE_PIXELS = 16_000_000

export function largeFiles(folder: JobsFolder): LargeFiles {
  const id = randomUUID()
  let made: Promise<void> | undefined
  let uploads = 0
  let dropped = false
  const make = () => {
    made ??= dropped ? Promise.reject(new UprezError('aborted', 'The request is over')) : folder.make(id)
    return made
  }
  return {
    async receive(upload) {
      const path = `${folder.inputOf(id)}-${++uploads}`
      let chunks: Buffer[] = []
      let head: Uint8Array | undefined
      let size = 0
      let file: FileHandle | undefined
      try {
        for await (const chunk of upload) {
          size += chunk.length
          chunks.push(chunk)
          if (size <= LARGE_BYTES) continue
          head ??= Buffer.concat(chunks, HEAD_BYTES)
          const target: FileHandle = file ?? (await stored(() => make().then(() => open(path, 'wx', 0o600))))
          file = target
          await stored(() => target.writeFile(chunks))
          chunks = []
        }
      } finally {
        await file?.close()
      }
      if (head) return { size, head, input: { path } }
      const bytes = Buffer.concat(chunks)
      return { size, head: bytes.subarray(0, HEAD_BYTES), input: { bytes } }
    },
    async place({ width, height }) {
      if (width * height <= LARGE_PIXELS) return undefined
      await stored(make)
      return folder.outputOf(id)
    },
    async read() {
      const file = await open(folder.outputOf(id))
      const { size } = await file.stat()
      return { size, body: file.createReadStream() }
    },
    async drop() {
      dropped = true
      await made?.then(() => folder.drop(id)).catch(() => {})
    },
  }
}

const stored = <T>(write: () => Promise<T>): Promise<T> =>
  write().catch(cause => {
    throw storageError(cause)
  })
