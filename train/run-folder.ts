import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UprezError } from '../errors.js'
import { writeAtomically } from './checkpoint.js'
import { type Config, firstDifference, parseConfig } from './config.js'

/** What may change when a run goes on: it alters neither the network nor the samples already drawn. */
const MAY_CHANGE = /^(every\.|engine$|data\.(folders|cacheMb|source|licence)$|schedule\.steps$)/

/**
 * Begins a run folder, or checks that an existing one belongs to this configuration.
 * @returns the configuration to train with, and whether there is something to resume
 * @throws UprezError `output-exists` without --resume, `not-a-run`, `run-mismatch` naming the option that differs
 */
export async function openRun(folder: string, config: Config, resume: boolean, say: (line: string) => void): Promise<{ config: Config; resume: boolean }> {
  const saved = await readConfig(folder)
  if (!saved) {
    if (resume && (await readdir(folder).catch(() => [])).length > 0) {
      throw new UprezError('not-a-run', `${folder} is not a training run: it has no config.json`, { param: '--resume', expected: 'a folder written by `uprez train -o`', got: folder })
    }
    await create(folder, config)
    return { config, resume: false }
  }
  if (!resume) {
    throw new UprezError('output-exists', `${folder} already holds a run; go on with --resume, or choose another folder`, { param: '-o', got: folder })
  }
  const given = { ...config, engine: config.engine ?? saved.engine }
  for (let name = firstDifference(saved, given); name; name = firstDifference(saved, given)) {
    const [before, now] = [valueAt(saved, name), valueAt(given, name)]
    if (!MAY_CHANGE.test(name)) {
      throw new UprezError('run-mismatch', `${folder} was begun with ${name} = ${JSON.stringify(before)}, not ${JSON.stringify(now)}`, {
        param: name,
        expected: JSON.stringify(before),
        got: JSON.stringify(now),
      })
    }
    say(`${name} changes from ${JSON.stringify(before)} to ${JSON.stringify(now)}`)
    setAt(saved, name, now)
  }
  await create(folder, given)
  return { config: given, resume: (await readdir(join(folder, 'checkpoint')).catch(() => [])).length > 0 }
}

async function create(folder: string, config: Config): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (error) {
    throw new UprezError('not-writable', `${folder} cannot be made (${(error as NodeJS.ErrnoException).code})`, { param: '-o', got: folder, cause: error })
  }
  await writeAtomically(join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
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
    throw new UprezError('not-a-run', `${folder}/config.json is not a training configuration: ${(error as Error).message}`, { param: '-o', got: folder })
  }
}

function valueAt(config: object, name: string): unknown {
  return name.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], config)
}

function setAt(config: object, name: string, value: unknown): void {
  const keys = name.split('.')
  const last = keys.pop()!
  const holder = keys.length > 0 ? valueAt(config, keys.join('.')) : config
  ;(holder as Record<string, unknown>)[last] = value
}
