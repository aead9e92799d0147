import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomic, writeError } from '../atomic.js'
import { UprezError } from '../errors.js'
import { defaultEngine } from '../nets/engine.js'
import { hasCheckpoint } from './checkpoint.js'
import { type Config, differences, override, parseConfig, resolveConfig } from './config.js'

/** What may change when a run goes on: it alters neither the network nor which samples are drawn. */
const MAY_CHANGE = /^(every\.|engine$|data\.(folders|cacheMb|source|licence)$|schedule\.steps$|optimizer\.learningRate$)/

/**
 * Makes the run folder, or checks that an existing one can go on with these options: what is not given stays as it was begun.
 * @returns the configuration to train with, its engine decided, and whether there is a checkpoint to resume from
 * @throws UprezError `output-exists` without --resume, `not-a-run`, `run-mismatch` naming the option that differs
 */
export async function openRun(
  folder: string,
  preset: string,
  overrides: Record<string, unknown>,
  resume: boolean,
  say: (line: string) => void,
): Promise<{ config: Config; resume: boolean }> {
  const saved = await readConfig(folder)
  if (!saved) {
    if (resume) {
      throw new UprezError('not-a-run', `${folder} is no training run: it has no config.json`, {
        param: '--resume',
        expected: 'a folder written by `uprez train -o`',
        got: folder,
      })
    }
    await makeEmpty(folder)
    return { config: withEngine(resolveConfig(preset, overrides)), resume: false }
  }
  if (!resume) {
    throw new UprezError('output-exists', `${folder} already holds a run; go on with --resume, or choose another folder`, {
      param: '-o',
      got: folder,
    })
  }
  const config = withEngine(override({ ...saved, preset }, overrides))
  for (const [name, before, now] of differences(withEngine(saved), config)) {
    if (!MAY_CHANGE.test(name)) {
      throw new UprezError('run-mismatch', `${folder} was begun with ${name} = ${before}, not ${now}`, {
        param: name,
        expected: before,
        got: now,
      })
    }
    say(`${name} changes from ${before} to ${now}`)
  }
  await removeHalves(folder)
  const begun = await hasCheckpoint(join(folder, 'checkpoint'))
  if (!begun) say(`${folder} has no checkpoint yet: beginning at step 1`)
  return { config, resume: begun }
}

/** Writes the configuration that the folder's next steps are made with. */
export async function saveConfig(folder: string, config: Config): Promise<void> {
  await writeAtomic(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
}

function withEngine(config: Config): Config {
  return { ...config, engine: config.engine ?? defaultEngine() }
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

/** What a killed run left of a generator that was being replaced. */
async function removeHalves(folder: string): Promise<void> {
  const halves = (await readdir(folder)).filter(name => /^\.generator\.(new|old)-/.test(name))
  await Promise.all(halves.map(name => rm(join(folder, name), { recursive: true, force: true })))
}

async function readConfig(folder: string): Promise<Config | undefined> {
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
