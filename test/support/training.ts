import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import type { Image } from '../../image/image.js'
import type { Tf } from '../../nets/engine.js'
import type { Config } from '../../train/config.js'
import { openImages } from '../../train/images.js'
import { train } from '../../train/loop.js'
import type { Report } from '../../train/progress-line.js'
import type { Recipe } from '../../train/recipe.js'
import { makeRecipe } from '../../train/recipes/index.js'
import { saveConfig } from '../../train/run-folder.js'
import { warmStart } from '../../train/warm-start.js'
import { drawPhoto } from './draw.js'

/** A folder that goes when the test file is done. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'uprez-train-'))
  after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Writes `count` drawn photographs, each of another size, as PNG. */
export async function writePhotos(folder: string, count: number, side = 72): Promise<string> {
  await mkdir(folder, { recursive: true })
  for (let i = 0; i < count; i++) await writePng(join(folder, `photo-${i}.png`), drawPhoto(side + 4 * i, side + 3 * i, i + 1))
  return folder
}

export async function writePng(path: string, { data, width, height, channels }: Image): Promise<void> {
  await sharp(data, { raw: { width, height, channels: channels as 1 | 3 } })
    .png()
    .toFile(path)
}

/** A report that keeps what it is told. */
export function recordingReport(): Report & { lines: string[]; steps: Record<string, number>[] } {
  const [lines, steps]: [string[], Record<string, number>[]] = [[], []]
  return { lines, steps, say: line => lines.push(line), busy: () => {}, step: ({ values }) => steps.push(values) }
}

/** Lines of `metrics.jsonl` without what depends on the clock. */
export async function readMetrics(run: string): Promise<Record<string, number>[]> {
  const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trim().split('\n')
  return lines.map(line => {
    const { 'steps per second': _, 'data wait': __, ...rest } = JSON.parse(line) as Record<string, number>
    return rest
  })
}

export interface Ended {
  code: number | null
  signal: string | null
  stdout: string
  stderr: string
}

/**
 * The real command in a process of its own.
 * @param watch called with all that stderr has said so far, at every piece of it; may send a signal
 */
export function uprez(args: string[], watch?: (stderr: string, send: (signal: NodeJS.Signals) => void) => void): Promise<Ended> {
  const program = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const ended: Ended = { code: null, signal: null, stdout: '', stderr: '' }
    child.stdout.on('data', chunk => {
      ended.stdout += chunk
    })
    child.stderr.on('data', chunk => {
      ended.stderr += chunk
      watch?.(ended.stderr, signal => child.kill(signal))
    })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ ...ended, code, signal }))
  })
}

export interface Leg {
  folder: string
  config: Config
  resume?: boolean
  /** Steps after which it is interrupted. */
  stopAfter?: number
  /** Changes the recipe before it is used. */
  alter?: (recipe: Recipe) => Recipe
}

/** Trains in this process, with a network of its own; what the `train` command does, without the command. */
export async function trainLeg(tf: Tf, { folder, config, resume = false, stopAfter, alter = recipe => recipe }: Leg) {
  const report = recordingReport()
  const stop = new AbortController()
  const images = await openImages(config, report)
  await mkdir(folder, { recursive: true })
  await saveConfig(folder, config)
  const recipe = alter(await makeRecipe(tf, config))
  if (!resume) await warmStart(tf, config, recipe, report.say)
  const watched: Report = {
    ...report,
    step(status) {
      report.step(status)
      if (status.step === stopAfter) stop.abort()
    },
  }
  const done = await train({ tf, config, recipe, images, folder, resume, report: watched, signal: stop.signal })
  return { done, recipe, images, ...report }
}
