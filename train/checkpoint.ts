import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { writeAtomic, writeError } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { Tf } from '../nets/engine.js'
import { safetensors } from '../nets/safetensors.js'
import { assignFlat, otherVariables } from './adam.js'
import type { Recipe } from './recipe.js'

/**
 * A checkpoint is one file in the safetensors layout: the header's length as u64, the header as JSON
 * (name → dtype, shape, offsets; free text under `__metadata__`), then the raw little-endian floats.
 * https://github.com/huggingface/safetensors#format
 *
 * It holds the vectors of every optimizer (see adam.ts), which include its network's parameters; as `NAME.others` what
 * else a network holds (a batch norm's moving statistics, a spectral norm's vectors); and what the recipe remembers.
 */

/** 1 had no `others` and no memory, and its best was always PSNR-Y. */
const VERSION = 2
const NAME = /^step-(\d{8})\.safetensors$/

const headerSchema = z
  .object({
    __metadata__: z.object({
      version: z.string().default('1'),
      step: z.string(),
      updates: z.string(),
      memory: z.string().default('{}'),
      best: z.string(),
    }),
  })
  .catchall(z.strictObject({ dtype: z.literal('F32'), shape: z.array(z.int()), data_offsets: z.tuple([z.int(), z.int()]) }))

/** What the loop itself must remember. */
export interface Progress {
  /** Steps done. */
  step: number
  best: Best | null
}

/** The best validation so far. */
export interface Best {
  metric: string
  value: number
  step: number
}

/** What a checkpoint keeps of a recipe. */
export type Remembered = Pick<Recipe, 'networks' | 'optimizers' | 'memory'>

/**
 * Writes the state after `progress.step` steps and removes all but the newest files. Atomic: a kill leaves the previous ones.
 * @param keep how many files stay
 * @throws UprezError `diverged` where a number of the state is none, `no-space`, `not-writable`
 */
export async function saveCheckpoint(folder: string, recipe: Remembered, progress: Progress, keep: number): Promise<void> {
  const vectors = await readVectors(recipe)
  const bad = vectors.find(({ data }) => data.some(value => !Number.isFinite(value)))
  if (bad) {
    throw new UprezError('diverged', `${bad.name} holds values that are no numbers at step ${progress.step}; the last checkpoint is kept`, {
      param: bad.name,
      expected: 'finite numbers',
      got: String(bad.data.find(value => !Number.isFinite(value))),
    })
  }
  const updates = Object.fromEntries(Object.entries(recipe.optimizers).map(([name, optimizer]) => [name, optimizer.updates()]))
  const about = {
    version: String(VERSION),
    step: String(progress.step),
    updates: JSON.stringify(updates),
    memory: JSON.stringify(recipe.memory),
    best: JSON.stringify(progress.best),
  }
  const weights = new Map(vectors.map(({ name, data }) => [name, { shape: [data.length], data }]))
  await mkdir(folder, { recursive: true }).catch(error => {
    throw writeError(error, folder)
  })
  await writeAtomic(join(folder, nameOf(progress.step)), safetensors(weights, about))
  await tidy(folder, nameOf(progress.step), keep)
}

/**
 * Puts the newest checkpoint into the recipe. A damaged newest file gives way to the one before it. One of a batch norm that was
 * written before moving statistics were averaged begins their average at the statistics it holds, and says so.
 * @throws UprezError `not-a-run` where there is none, `run-mismatch` where it belongs to another network
 */
export async function loadCheckpoint(tf: Tf, folder: string, recipe: Remembered, say: (line: string) => void): Promise<Progress> {
  const file = await newestCheckpoint(folder, '--resume', say)
  // An average that begins anew does so from what the network holds: it comes first.
  for (const [name, network] of Object.entries(recipe.networks)) {
    const others = otherVariables(network)
    const size = others.reduce((sum, variable) => sum + variable.size, 0)
    if (size > 0) tf.tidy(() => assignFlat(tf, others, tf.tensor1d(vectorOf(file, `${name}.others`, size))))
  }
  for (const [name, optimizer] of Object.entries(recipe.optimizers)) {
    const slots = Object.entries(optimizer.slots()) as [string, { size: number }][]
    const known = slots.filter(([slot]) => slot !== 'averagedStatistics' || file.vectors.has(`${name}.${slot}`))
    if (known.length < slots.length) {
      say(`${name}: the checkpoint holds no average of moving statistics; it begins with those of step ${file.progress.step}`)
    }
    const values = Object.fromEntries(known.map(([slot, { size }]) => [slot, vectorOf(file, `${name}.${slot}`, size)]))
    optimizer.restore(values, file.updates[name]!)
  }
  Object.assign(recipe.memory, file.memory)
  return file.progress
}

export interface CheckpointFile {
  progress: Progress
  updates: Record<string, number>
  memory: Record<string, number>
  vectors: Map<string, Float32Array>
}

/**
 * Reads the newest checkpoint of a folder that is whole.
 * @param param the option that asks for it
 * @throws UprezError `not-a-run` where there is none
 */
export async function newestCheckpoint(folder: string, param: string, say: (line: string) => void): Promise<CheckpointFile> {
  const names = await checkpointNames(folder)
  for (const name of names.reverse()) {
    const file = await readCheckpoint(join(folder, name))
    if (file) return file
    say(`${join(folder, name)} is damaged`)
  }
  throw new UprezError('not-a-run', `${dirname(folder)} holds no checkpoint`, {
    param,
    expected: 'a folder that `uprez train -o` has written a checkpoint into',
    got: names.length > 0 ? `${names.length} damaged checkpoints` : 'no checkpoint',
  })
}

/**
 * One vector of a checkpoint.
 * @throws UprezError `run-mismatch` where it is missing or has another length
 */
export function vectorOf({ vectors }: CheckpointFile, name: string, size: number): Float32Array {
  const vector = vectors.get(name)
  if (vector?.length === size) return vector
  throw new UprezError('run-mismatch', `the checkpoint is of another network: ${name} must have ${size} numbers`, {
    param: '--resume',
    expected: `${size} numbers in ${name}`,
    got: `${vector?.length ?? 'none'}`,
  })
}

export async function hasCheckpoint(folder: string): Promise<boolean> {
  return (await checkpointNames(folder)).length > 0
}

async function readVectors({ networks, optimizers }: Remembered): Promise<{ name: string; data: Float32Array }[]> {
  const vectors: { name: string; data: Float32Array }[] = []
  for (const [name, optimizer] of Object.entries(optimizers)) {
    for (const [slot, tensor] of Object.entries(optimizer.slots())) vectors.push({ name: `${name}.${slot}`, data: await tensor.data() })
  }
  for (const [name, network] of Object.entries(networks)) {
    const others = otherVariables(network)
    const parts = await Promise.all(others.map(variable => variable.data()))
    if (others.length > 0) vectors.push({ name: `${name}.others`, data: Float32Array.from(parts.flatMap(part => Array.from(part))) })
  }
  return vectors
}

async function readCheckpoint(path: string): Promise<CheckpointFile | undefined> {
  const bytes = await readFile(path)
  try {
    const length = Number(bytes.readBigUInt64LE(0))
    const { __metadata__: meta, ...tensors } = headerSchema.parse(JSON.parse(bytes.subarray(8, 8 + length).toString()))
    if (Number(meta.version) > VERSION) throw newerVersion(path, meta.version)
    const vectors = new Map<string, Float32Array>()
    for (const [name, { data_offsets }] of Object.entries(tensors as Record<string, { data_offsets: [number, number] }>)) {
      const [from, to] = data_offsets
      const part = bytes.subarray(8 + length + from, 8 + length + to)
      if (part.length !== to - from) return undefined
      vectors.set(name, new Float32Array(new Uint8Array(part).buffer))
    }
    const best = readBest(JSON.parse(meta.best))
    const progress = { step: Number(meta.step), best }
    return { progress, updates: JSON.parse(meta.updates), memory: JSON.parse(meta.memory), vectors }
  } catch (error) {
    if (error instanceof UprezError) throw error
    return undefined
  }
}

function newerVersion(path: string, version: string): UprezError {
  return new UprezError('run-mismatch', `${path} was written by a newer uprez`, {
    param: '--resume',
    expected: `a checkpoint of version ${VERSION} or older`,
    got: version,
  })
}

function readBest(best: Best | { psnrY: number; step: number } | null): Best | null {
  return best && 'psnrY' in best ? { metric: 'PSNR-Y', value: best.psnrY, step: best.step } : best
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`
}

/** Keeps the newest files up to this one. Later ones are of steps that were taken back; temporary ones of a run that was killed. */
async function tidy(folder: string, newest: string, keep: number): Promise<void> {
  const names = await checkpointNames(folder)
  const kept = names.filter(name => name <= newest).slice(-keep)
  const halves = (await readdir(folder)).filter(name => name.startsWith('.step-') && name.endsWith('tmp'))
  const gone = [...names.filter(name => !kept.includes(name)), ...halves]
  await Promise.all(gone.map(name => rm(join(folder, name), { force: true })))
}

async function checkpointNames(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [])
  return names.filter(name => NAME.test(name)).sort()
}
