import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { writeAtomic, writeError } from '../atomic.js'
import { UprezError } from '../errors.js'
import { SLOTS } from './adam.js'
import type { Recipe } from './recipe.js'

/**
 * A checkpoint is one file in the safetensors layout: the header's length as u64, the header as JSON
 * (name → dtype, shape, offsets; free text under `__metadata__`), then the raw little-endian floats.
 * https://github.com/huggingface/safetensors#format
 *
 * It holds the four vectors of every optimizer (see adam.ts), which include the network's parameters.
 */

const KEEP = 2
const NAME = /^step-(\d{8})\.safetensors$/

const headerSchema = z
  .object({ __metadata__: z.object({ step: z.string(), updates: z.string(), best: z.string() }) })
  .catchall(z.strictObject({ dtype: z.literal('F32'), shape: z.array(z.int()), data_offsets: z.tuple([z.int(), z.int()]) }))

/** What the loop itself must remember. */
export interface Progress {
  /** Steps done. */
  step: number
  /** Best validation PSNR so far and its step. */
  best: { psnrY: number; step: number } | null
}

/**
 * Writes the state after `progress.step` steps and removes all but the newest files. Atomic: a kill leaves the previous ones.
 * @throws UprezError `diverged` where a number of the state is none, `no-space`, `not-writable`
 */
export async function saveCheckpoint(folder: string, recipe: Recipe, progress: Progress): Promise<void> {
  const vectors: { name: string; data: Float32Array }[] = []
  for (const [name, optimizer] of Object.entries(recipe.optimizers)) {
    const slots = optimizer.slots()
    for (const slot of SLOTS) vectors.push({ name: `${name}.${slot}`, data: (await slots[slot].data()) as Float32Array })
  }
  const bad = vectors.find(({ data }) => data.some(value => !Number.isFinite(value)))
  if (bad) {
    throw new UprezError('diverged', `${bad.name} holds values that are no numbers at step ${progress.step}; the last checkpoint is kept`, {
      param: bad.name,
      expected: 'finite numbers',
      got: String(bad.data.find(value => !Number.isFinite(value))),
    })
  }
  const updates = Object.fromEntries(Object.entries(recipe.optimizers).map(([name, optimizer]) => [name, optimizer.updates()]))
  const header: Record<string, unknown> = {
    __metadata__: { step: String(progress.step), updates: JSON.stringify(updates), best: JSON.stringify(progress.best) },
  }
  let offset = 0
  for (const { name, data } of vectors) {
    header[name] = { dtype: 'F32', shape: [data.length], data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  const text = Buffer.from(JSON.stringify(header))
  // The data begins at a multiple of 8.
  const json = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')])
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  const bytes = vectors.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  await mkdir(folder, { recursive: true }).catch(error => {
    throw writeError(error, folder)
  })
  await writeAtomic(join(folder, nameOf(progress.step)), Buffer.concat([length, json, ...bytes]))
  await tidy(folder, nameOf(progress.step))
}

/**
 * Puts the newest checkpoint into the recipe. A damaged newest file gives way to the one before it.
 * @throws UprezError `not-a-run` where there is none, `run-mismatch` where it belongs to another network
 */
export async function loadCheckpoint(folder: string, recipe: Recipe, say: (line: string) => void): Promise<Progress> {
  const names = await checkpointNames(folder)
  for (const name of names.reverse()) {
    const file = await readCheckpoint(join(folder, name))
    if (file) return restore(file, recipe)
    say(`${join(folder, name)} is damaged`)
  }
  throw new UprezError('not-a-run', `${dirname(folder)} holds no checkpoint to resume from`, {
    param: '--resume',
    expected: 'a folder that `uprez train -o` has written a checkpoint into',
    got: names.length > 0 ? `${names.length} damaged checkpoints` : 'no checkpoint',
  })
}

export async function hasCheckpoint(folder: string): Promise<boolean> {
  return (await checkpointNames(folder)).length > 0
}

interface CheckpointFile {
  progress: Progress
  updates: Record<string, number>
  vectors: Map<string, Float32Array>
}

function restore({ progress, updates, vectors }: CheckpointFile, recipe: Recipe): Progress {
  for (const [name, optimizer] of Object.entries(recipe.optimizers)) {
    const size = optimizer.slots().parameters.size
    const values = Object.fromEntries(SLOTS.map(slot => [slot, vectors.get(`${name}.${slot}`)]))
    const wrong = SLOTS.find(slot => values[slot]?.length !== size)
    if (wrong) {
      throw new UprezError('run-mismatch', `the checkpoint is of another network: ${name} needs ${size} weights`, {
        param: '--resume',
        expected: `${size} weights in ${name}.${wrong}`,
        got: `${values[wrong]?.length ?? 'none'}`,
      })
    }
    optimizer.restore(values as Record<(typeof SLOTS)[number], Float32Array>, updates[name]!)
  }
  return progress
}

async function readCheckpoint(path: string): Promise<CheckpointFile | undefined> {
  const bytes = await readFile(path)
  try {
    const length = Number(bytes.readBigUInt64LE(0))
    const { __metadata__: meta, ...tensors } = headerSchema.parse(JSON.parse(bytes.subarray(8, 8 + length).toString()))
    const vectors = new Map<string, Float32Array>()
    for (const [
      name,
      {
        data_offsets: [from, to],
      },
    ] of Object.entries(tensors as Record<string, { data_offsets: [number, number] }>)) {
      const part = bytes.subarray(8 + length + from, 8 + length + to)
      if (part.length !== to - from) return undefined
      vectors.set(name, new Float32Array(new Uint8Array(part).buffer))
    }
    return { progress: { step: Number(meta.step), best: JSON.parse(meta.best) }, updates: JSON.parse(meta.updates), vectors }
  } catch {
    return undefined
  }
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`
}

/** Keeps the newest files up to this one. Later ones are of steps that were taken back; temporary ones of a run that was killed. */
async function tidy(folder: string, newest: string): Promise<void> {
  const names = await checkpointNames(folder)
  const kept = names.filter(name => name <= newest).slice(-KEEP)
  const halves = (await readdir(folder)).filter(name => name.startsWith('.step-') && name.endsWith('tmp'))
  const gone = [...names.filter(name => !kept.includes(name)), ...halves]
  await Promise.all(gone.map(name => rm(join(folder, name), { force: true })))
}

async function checkpointNames(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter(name => NAME.test(name)).sort()
}
