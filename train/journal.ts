import { appendFile, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { writeAtomic, writeError } from '../atomic.js'
import { openEvents } from './events.js'
import type { Sheet } from './recipe.js'

/** What a run writes down for people: `metrics.jsonl`, TensorBoard events, `samples/`. */
export interface Journal {
  numbers(step: number, values: Record<string, number>): Promise<void>
  sheet(step: number, sheet: Sheet): Promise<void>
  /** Histograms of everything that is trained. */
  weights(step: number, networks: Record<string, TF.LayersModel>): Promise<void>
  close(): void
}

/**
 * Goes on with the journal of a run folder; what a killed run wrote after its last checkpoint is taken back, for it will come again.
 * @param done steps done
 * @throws UprezError `not-writable`, `no-space`, here and at every entry
 */
export async function openJournal(folder: string, done: number): Promise<Journal> {
  const metrics = join(folder, 'metrics.jsonl')
  const samples = join(folder, 'samples')
  await dropLaterLines(metrics, done)
  const events = openEvents(folder, done + 1)
  return {
    async numbers(step, values) {
      events.scalars(step, values)
      await appendFile(metrics, `${JSON.stringify({ step, ...values })}\n`).catch(error => {
        throw writeError(error, metrics)
      })
    },
    async sheet(step, { png, width, height, title }) {
      events.picture(step, title, png, width, height)
      await mkdir(samples, { recursive: true }).catch(error => {
        throw writeError(error, samples)
      })
      await writeAtomic(join(samples, `step-${String(step).padStart(8, '0')}.png`), png)
    },
    async weights(step, networks) {
      for (const [name, network] of Object.entries(networks)) {
        for (const weight of network.trainableWeights) {
          events.histogram(step, `${name}/${weight.originalName}`, (await weight.read().data()) as Float32Array)
        }
      }
    },
    close: () => events.close(),
  }
}

async function dropLaterLines(path: string, step: number): Promise<void> {
  const text = await readFile(path, 'utf8').catch(() => '')
  const kept = text.split('\n').filter(line => {
    try {
      return (JSON.parse(line) as { step: number }).step <= step
    } catch {
      return false
    }
  })
  if (text !== '') await writeAtomic(path, kept.map(line => `${line}\n`).join(''))
}
