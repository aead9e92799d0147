import { cp, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { shippedModels } from '../serve/support.js'
import { between } from './part.js'
import type { Tally } from './tally.js'

const NAMES = ['fast-x4', 'also-fast-x4']

/** Two versions of the shipped model that give the same pictures, and the folder in which a link shows the first. */
export async function writeVersions(folder: string): Promise<string> {
  const models = join(folder, 'models')
  await mkdir(models)
  for (const [i, name] of NAMES.entries()) {
    const version = join(folder, 'versions', name)
    await cp(join(shippedModels, 'fast-x4'), version, { recursive: true, filter: path => !path.endsWith('weights') })
    const card = join(version, 'card.json')
    // What tells versions apart is the text.
    await writeFile(card, `${await readFile(card, 'utf8')}${'\n'.repeat(i)}`)
  }
  await symlink(join(folder, 'versions', NAMES[0]!), join(models, 'fast-x4'))
  return models
}

/** Turns the link from one to the other at drawn moments. */
export async function exchangeModels(models: string, next: () => number, end: number, tally: Tally): Promise<void> {
  for (let turn = 1; performance.now() < end; turn++) {
    await delay(between(next, 300, 3000))
    const link = join(models, '.next')
    await symlink(join(models, '..', 'versions', NAMES[turn % 2]!), link)
    await rename(link, join(models, 'fast-x4'))
    tally.count('model exchanged')
  }
}
