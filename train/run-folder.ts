import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { settleFolder, writeAtomic, writeError } from '../atomic.js'
import { UprezError } from '../errors.js'
import { defaultEngine } from '../nets/engine.js'
import { hasCheckpoint } from './checkpoint.js'
import { type Config, differences, override, parseConfig, resolveConfig } from './config.js'
import { lockRun } from './lock.js'

/**
 * What may change when a run goes on: how long it is, how fast it learns, what it says and keeps, and where its files and
 * its engine are. Nothing that alters the networks, what is asked of them, or which samples are drawn.
 */
const MAY_CHANGE = new RegExp(
  [
    'engine|keep|(every|best)\\..*',
    'data\\.(folders|pairs|workers|cacheMb|source|licence)',
    'network\\.path|losses\\.(module\\.path|feature\\.file)',
    'schedule\\.(steps|minimum|milestones|gamma)',
    'optimizer\\.(learningRate|criticLearningRate|clipNorm|accumulate)',
  ]
    .map(names => `^(${names})$`)
    .join('|'),
)

/** A run folder that is ours to write in. */
export interface OpenRun {
  /** What to train with, its engine decided. */
  config: Config
  /** Whether there is a checkpoint to go on from. */
  resume: boolean
  /** Gives the folder back to others. */
  release(): Promise<void>
}

/**
 * Makes the run folder, or checks that an existing one can go on with these options: what is not given stays as it was
 * begun. Until it is released, no other process can open it.
 * @throws UprezError `output-exists` without --resume or while another process trains there, `not-a-run`, `run-mismatch`
 * naming the option that differs
 */
export async function openRun(
  folder: string,
  preset: string,
  overrides: Record<string, unknown>,
  resume: boolean,
  say: (line: string) => void,
): Promise<OpenRun> {
  const saved = await readConfig(folder)
  if (!saved) {
    if (resume) throw notARun(folder)
    const config = await withEngine(resolveConfig(preset, overrides))
    await makeEmpty(folder)
    return { config, resume: false, release: await lockRun(folder) }
  }
  if (!resume) {
    throw new UprezError('output-exists', `${folder} already holds a run; go on with --resume, or choose another folder`, {
      param: '-o',
      got: folder,
    })
  }
  const config = await withEngine(override({ ...saved, preset }, overrides))
  const changes = differences(await withEngine(saved), config)
  for (const [name, before, now] of changes) {
    if (!MAY_CHANGE.test(name)) throw otherRun(folder, name, before, now)
  }
  const release = await lockRun(folder)
  for (const [name, before, now] of changes) say(`${name} changes from ${before} to ${now}`)
  for (const name of ['generator', 'best']) await settleFolder(join(folder, name))
  const begun = await hasCheckpoint(join(folder, 'checkpoint'))
  if (!begun) say(`${folder} has no checkpoint yet: beginning at step 1`)
  return { config, resume: begun, release }
}

/** Writes the configuration that the folder's next steps are made with. */
export async function saveConfig(folder: string, config: Config): Promise<void> {
  await writeAtomic(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
}

async function withEngine(config: Config): Promise<Config> {
  return { ...config, engine: config.engine ?? (await defaultEngine()) }
}

/** A run replaces files by name: it must not begin among other people's. */
async function makeEmpty(folder: string): Promise<void> {
  let names: string[]
  try {
    await mkdir(folder, { recursive: true })
    names = await readdir(folder)
  } catch (error) {
    throw writeError(error, folder)
  }
  const foreign = names.find(name => !name.startsWith('.'))
  if (foreign === undefined) return
  throw new UprezError('output-exists', `${folder} is not empty (${foreign}); a run needs a folder of its own`, {
    param: '-o',
    expected: 'a new or empty folder',
    got: folder,
  })
}

function notARun(folder: string): UprezError {
  return new UprezError('not-a-run', `${folder} is no training run: it has no config.json`, {
    param: '--resume',
    expected: 'a folder written by `uprez train -o`',
    got: folder,
  })
}

function otherRun(folder: string, name: string, before: string, now: string): UprezError {
  const way = `to train with it from the weights of this run, begin another: --from ${folder} -o NEW`
  return new UprezError('run-mismatch', `${folder} was begun with ${name} = ${before}, not ${now}; ${way}`, {
    param: name,
    expected: before,
    got: now,
  })
}

/** The configuration that a run folder was begun with; undefined where there is none. */
export async function readConfig(folder: string): Promise<Config | undefined> {
  let text: string
  try {
    text = await readFile(join(folder, 'config.json'), 'utf8')
  } catch {
    return undefined
  }
  try {
    return parseConfig(JSON.parse(text))
  } catch (error) {
    throw new UprezError('not-a-run', `${folder}/config.json is not a training configuration: ${(error as Error).message}`, {
      param: '-o',
      got: folder,
    })
  }
}
