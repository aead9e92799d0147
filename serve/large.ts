import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Job, Measure } from '../infer/engine.js'
import { type JobsFolder, storageError } from './jobs-folder.js'

/**
 * An upload or a result too large to be held in two processes: it lies in a file while the engine works. The result is written there row
 * by row where the format lets it, and the answer is read from it.
 */
export interface LargeFiles {
  /** What the engine is to read. Whoever held these bytes may let go of them; where the disk takes no more, they stay in memory. */
  input(bytes: Uint8Array): Promise<Job['input']>
  /** Where the engine is to put it; undefined where it is small, and its bytes come back. @throws UprezError `no-space`, `internal` */
  place(measure: Measure): Promise<string | undefined>
  /** What the engine has put there. */
  read(): Promise<{ size: number; body: Readable }>
  /** Removes the place, if it was made; what cannot be removed now is when the server ends. */
  drop(): Promise<void>
}

/** 48 MB of bytes in RGB. */
const LARGE_PIXELS = 16_000_000
const LARGE_BYTES = 8 * 1024 * 1024

export function largeFiles(folder: JobsFolder): LargeFiles {
  const id = randomUUID()
  let made: Promise<void> | undefined
  const make = () => {
    made ??= folder.make(id)
    return made
  }
  return {
    async input(bytes) {
      if (bytes.length <= LARGE_BYTES) return { bytes }
      try {
        await make()
        await folder.store(id, bytes)
        return { path: folder.inputOf(id) }
      } catch {
        await folder.dropInput(id).catch(() => {})
        return { bytes }
      }
    },
    async place({ width, height }) {
      if (width * height <= LARGE_PIXELS) return undefined
      await make().catch(cause => {
        throw storageError(cause)
      })
      return folder.outputOf(id)
    },
    async read() {
      const file = await open(folder.outputOf(id))
      const { size } = await file.stat()
      return { size, body: file.createReadStream() }
    },
    drop: async () => {
      if (made) await folder.drop(id).catch(() => {})
    },
  }
}
