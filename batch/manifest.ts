import type { FileHandle } from 'node:fs/promises'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { UprezError } from '../errors.js'
import type { Job, OutputFormat } from '../infer/engine.js'
import type { Depth } from '../infer/job.js'
import type { Size } from '../infer/size.js'
import type { InputFormat } from '../infer/sniff.js'

/** Name of the file in the output folder that remembers what was made, one JSON object a line. */
export const MANIFEST = '.uprez.jsonl'

/** What the pixels of an output depend on, besides its input. The size is that which was asked for; the model's scale where none was. */
export interface Recipe extends Size {
  model: string
  /** Sum of the model's canonical file; of the variant's where another precision than fp32 was asked for. */
  sha256: string
  format: OutputFormat
  quality: number | null
  /** Older lines lack these. */
  depth?: Job['depth']
  dpi?: Job['dpi']
  tta?: boolean
}

/** One finished picture. Places are relative, so that both folders may move. */
export interface Entry {
  output: string
  input: string
  size: number
  mtimeMs: number
  header: Header
  recipe: Recipe
}

/** What the plan must know of a picture without decoding it. */
export interface Header {
  format: InputFormat
  width: number
  height: number
  /** Older lines lack it. */
  depth?: Depth
}

export interface Manifest {
  /** The last entry written for an output's place; none where it was begun once more since and not finished. */
  byOutput: Map<string, Entry>
  /** The last entry written for an input's place: saves opening the file again. */
  byInput: Map<string, Entry>
  /** The places of all outputs that were ever begun: what stands there is ours, whole or not done. */
  begun: Set<string>
}

/** Stands before an output is begun: a run may be killed when the picture has its name and its entry is not written yet. */
interface Pending {
  output: string
  pending: true
}

/**
 * Reads a folder's manifest; a missing one is empty, and a line that a killed run left torn counts for nothing.
 * @throws UprezError `not-writable` where it is there and cannot be read
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const manifest: Manifest = { byOutput: new Map(), byInput: new Map(), begun: new Set() }
  try {
    const file = await open(join(folder, MANIFEST))
    for await (const line of file.readLines()) {
      const entry = parseLine(line)
      if (entry === undefined) continue
      manifest.begun.add(entry.output)
      if ('pending' in entry) {
        manifest.byOutput.delete(entry.output)
        continue
      }
      manifest.byOutput.set(entry.output, entry)
      manifest.byInput.set(entry.input, entry)
    }
  } catch (cause) {
    if (!['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw unusable(folder, cause)
  }
  return manifest
}

/** Whether an entry was made from this very file (as far as size and time can tell). */
export function sameInput(entry: Entry, input: { place: string; size: number; mtimeMs: number }): boolean {
  return entry.input === input.place && entry.size === input.size && entry.mtimeMs === input.mtimeMs
}

export function sameRecipe(a: Recipe, b: Recipe): boolean {
  const [x, y] = [a, b].map(recipe => ({ depth: 'auto', dpi: 'keep', tta: false, ...recipe }))
  return (['sha256', 'scale', 'width', 'height', 'longest', 'format', 'quality', 'depth', 'dpi', 'tta'] as const).every(
    field => x![field] === y![field],
  )
}

export interface ManifestWriter {
  /** Before anything is written at the output's place: what was known of it no longer counts. */
  begin(output: string): Promise<void>
  /** Once the picture stands. */
  append(entry: Entry): Promise<void>
  close(): Promise<void>
}

/**
 * Opens a folder's manifest for appending, and makes the folder where it is missing.
 * @throws UprezError `not-writable`
 */
export async function openManifest(folder: string): Promise<ManifestWriter> {
  const file = await openToAppend(folder).catch(cause => {
    throw unusable(folder, cause)
  })
  // One write of one line: O_APPEND keeps the lines of two runs apart.
  const write = async (line: Entry | Pending) => void (await file.write(`${JSON.stringify(line)}\n`))
  return {
    begin: output => write({ output, pending: true }),
    append: write,
    close: () => file.close(),
  }
}

async function openToAppend(folder: string): Promise<FileHandle> {
  await mkdir(folder, { recursive: true })
  const file = await open(join(folder, MANIFEST), 'a+')
  await endTornLine(file)
  return file
}

async function endTornLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat()
  if (size === 0) return
  const last = Buffer.alloc(1)
  await file.read(last, 0, 1, size - 1)
  if (last.toString() !== '\n') await file.write('\n')
}

function parseLine(line: string): Entry | Pending | undefined {
  try {
    const value = JSON.parse(line) as Partial<Entry & Pending>
    if (typeof value.output !== 'string') return undefined
    if (value.pending === true) return { output: value.output, pending: true }
    return typeof value.input === 'string' && value.header && value.recipe ? (value as Entry) : undefined
  } catch {
    return undefined
  }
}

function unusable(folder: string, cause: unknown): UprezError {
  const file = join(folder, MANIFEST)
  return new UprezError('not-writable', `${file} cannot be used: ${(cause as Error).message}`, { param: 'output', got: file, cause })
}
