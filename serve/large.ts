import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Measure } from '../infer/engine.js'
import { type JobsFolder, storageError } from './jobs-folder.js'

/**
 * A result too large to be held in two processes: the engine writes it into a file of its own, row by row where the format lets it, and
 * the answer is read from there.
 */
export interface LargeResult {
  /** Where the engine is to put it; undefined where it is small, and its bytes come back. @throws UprezError `no-space`, `internal` */
  place(measure: Measure): Promise<string | undefined>
  /** What the engine has put there. */
  read(): Promise<{ size: number; body: Readable }>
  /** Removes the place, if it was made; what cannot be removed now is when the server ends. */
  drop(): Promise<void>
}

/** 48 MB of bytes in RGB. */
const LARGE_PIXELS = 16_000_000

export function largeResult(folder: JobsFolder): LargeResult {
  const id = randomUUID()
  let made = false
  return {
    async place({ width, height }) {
      if (width * height <= LARGE_PIXELS) return undefined
      made = true
      await folder.make(id).catch(cause => {
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
