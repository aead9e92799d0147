import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { closest } from 'fastest-levenshtein'
import { chaos } from './chaos.js'
import { folder } from './folder.js'
import { fuzz } from './fuzz.js'
import { hostile } from './hostile.js'
import { load } from './load.js'
import type { Part } from './part.js'
import { startTally, summary } from './tally.js'
import { weights } from './weights.js'

/** `npm run soak`: the real product under load, chaos and noise; docs/soak.md says how to read it. */

const PARTS: Record<string, Part> = { load, chaos, hostile, fuzz, folder, weights }

const { minutes, seed, requests, names } = readArguments()
const home = await realpath(await mkdtemp(join(tmpdir(), 'uprez-soak-')))
console.log(`soak: ${names.join(', ')}; ${minutes} minutes in all; --seed ${seed}\n`)

let broken = 0
for (const name of names) {
  const tally = startTally(name)
  const own = join(home, name)
  await mkdir(own)
  await PARTS[name]!({ seed, requests, milliseconds: (minutes * 60_000) / names.length, folder: own }, tally).catch(error =>
    tally.broke(`the part could not go on: ${error.stack}`),
  )
  console.log(summary(tally))
  broken += tally.broken.length
}
if (broken === 0) await rm(home, { recursive: true, force: true })
else console.log(`Files that may tell why are in ${home}; the same bytes come again with --seed ${seed}.`)
console.log(broken === 0 ? 'soak: nothing broke' : `soak: ${broken} broken`)
// A server whose part could not go on must not keep this process.
process.exit(broken === 0 ? 0 : 1)

function readArguments(): { minutes: number; seed: number; requests: number; names: string[] } {
  try {
    const { values, positionals } = parseArgs({
      options: {
        minutes: { type: 'string', default: '4' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        requests: { type: 'string', default: '0' },
      },
      allowPositionals: true,
    })
    const minutes = Number(values.minutes)
    const seed = Number(values.seed)
    if (!(minutes > 0 && minutes <= 24 * 60))
      throw new Error(`Expected minutes between 0 and 1440 for --minutes but received ${values.minutes}`)
    const requests = Number(values.requests)
    for (const [name, value] of Object.entries({ seed, requests })) {
      if (!Number.isInteger(value) || value < 0) throw new Error(`Expected a whole number, 0 or more, for --${name} but received ${value}`)
    }
    const unknown = positionals.find(name => !Object.hasOwn(PARTS, name))
    if (unknown !== undefined) {
      const all = Object.keys(PARTS)
      throw new Error(`Expected ${all.join(', ')} but received ${unknown}; did you mean ${closest(unknown, all)}?`)
    }
    if (!existsSync('/proc/self/stat')) throw new Error('Expected Linux: the soak reads processes and their memory under /proc')
    return { minutes, seed, requests, names: positionals.length > 0 ? positionals : Object.keys(PARTS) }
  } catch (error) {
    console.error(`soak: ${(error as Error).message}`)
    process.exit(2)
  }
}
