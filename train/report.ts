import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import sharp from 'sharp'
import { checkWritable, writeAtomic } from '../atomic.js'
import { UprezError } from '../errors.js'
import { overridesOf, parseConfig } from './config.js'
import type { About } from './generator-folder.js'
import { reportPage } from './report-page.js'

/** All that a report shows of a run; every part but the configuration may be missing in a run that has just begun. */
export interface RunFacts {
  /** Name of the run folder. */
  name: string
  config: SavedConfig
  /** Options that differ from the preset, by full name. */
  overrides: Record<string, unknown>
  /** What was logged, by metric: [step, value] in the order of steps. */
  curves: Map<string, [step: number, value: number][]>
  /** Sheets of samples, the newest last. */
  sheets: { step: number; dataUri: string }[]
  /** Of the generator at the last checkpoint. */
  about: About | undefined
  /** When it was begun, and gone on with. */
  starts: Date[]
  /** When it last wrote a line of metrics. */
  written: Date | undefined
}

/** What is read of `config.json`, which a run of another version of uprez may have written. */
interface SavedConfig {
  preset: string
  recipe?: string
  scale: number
  seed: number
  engine?: string
  from?: string
  data: { folders: string[]; patch: number; batch: number; source: string; licence: string }
  schedule: { steps: number }
}

/** Sheets on the page, evenly chosen from the first to the newest. */
const SHEETS = 6

/**
 * Writes a run's report: one HTML page that needs nothing beside it. The run may be going on.
 * @param output default: `report.html` in the run folder
 * @returns the page's path
 * @throws UprezError `not-a-run`, `not-writable`, `no-space`
 */
export async function writeReport(folder: string, output = join(folder, 'report.html')): Promise<string> {
  const config = await readSaved(folder)
  await checkWritable(output)
  const about = await readJson<About>(join(folder, 'generator', 'about.json'))
  const facts: RunFacts = {
    name: basename(resolve(folder)),
    config,
    overrides: overridesIn(config) ?? about?.training.overrides ?? {},
    curves: await readCurves(join(folder, 'metrics.jsonl')),
    sheets: await readSheets(join(folder, 'samples')),
    about,
    starts: await readStarts(folder),
    written: await stat(join(folder, 'metrics.jsonl')).then(
      ({ mtime }) => mtime,
      () => undefined,
    ),
  }
  await writeAtomic(output, reportPage(facts, new Date()))
  return output
}

async function readSaved(folder: string): Promise<SavedConfig> {
  const config = await readJson<Partial<SavedConfig>>(join(folder, 'config.json'))
  if (config?.preset !== undefined && config.schedule && config.data) return config as SavedConfig
  throw new UprezError('not-a-run', `${folder} is no training run: it has no config.json of one`, {
    param: 'RUN',
    expected: 'a folder written by `uprez train -o`',
    got: folder,
  })
}

/** Undefined where this version of uprez has other options or presets. */
function overridesIn(config: unknown): Record<string, unknown> | undefined {
  try {
    return overridesOf(parseConfig(config))
  } catch {
    return undefined
  }
}

/** The last line may be half written. */
async function readCurves(path: string): Promise<RunFacts['curves']> {
  const curves: RunFacts['curves'] = new Map()
  for (const line of (await readFile(path, 'utf8').catch(() => '')).split('\n')) {
    const { step, ...values } = parse<Record<string, number>>(line) ?? {}
    if (step === undefined) continue
    for (const [name, value] of Object.entries(values)) {
      if (!Number.isFinite(value)) continue
      const curve = curves.get(name) ?? []
      curve.push([step, value])
      curves.set(name, curve)
    }
  }
  return curves
}

async function readSheets(folder: string): Promise<RunFacts['sheets']> {
  const names = (await readdir(folder).catch(() => [])).filter(name => /^step-\d+\.png$/.test(name)).sort()
  const count = Math.min(SHEETS, names.length)
  const chosen = Array.from({ length: count }, (_, i) => names[Math.round((i * (names.length - 1)) / Math.max(1, count - 1))]!)
  return Promise.all(
    chosen.map(async (name, i) => {
      const newest = i === count - 1
      const webp = await sharp(join(folder, name))
        .resize({ width: newest ? 1200 : 800, withoutEnlargement: true })
        .webp({ quality: newest ? 85 : 75 })
        .toBuffer()
      return { step: Number(name.match(/\d+/)![0]), dataUri: `data:image/webp;base64,${webp.toString('base64')}` }
    }),
  )
}

/** Each start opens an event file, whose name says when. */
async function readStarts(folder: string): Promise<Date[]> {
  const seconds = (await readdir(folder)).map(name => Number(name.match(/^events\.out\.tfevents\.(\d+)\./)?.[1]))
  return seconds
    .filter(Number.isFinite)
    .sort((a, b) => a - b)
    .map(second => new Date(second * 1000))
}

async function readJson<T>(path: string): Promise<T | undefined> {
  return readFile(path, 'utf8').then(parse<T>, () => undefined)
}

function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T
  } catch {
    return undefined
  }
}
