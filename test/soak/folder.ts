import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { encode } from '../serve/support.js'
import { drawAlpha, drawGrey, drawPhoto, random } from '../support/draw.js'
import { undecodable } from './asks.js'
import { between, type Part, pick } from './part.js'
import { childrenOf, survivors } from './processes.js'
import { uprez } from './server.js'

const MOST_KILLS = 60

/**
 * The folder command killed and begun again until it is done. Whatever stands in the output folder at any moment is
 * what an undisturbed run wrote there; at the end it is all of it.
 */
export const folder: Part = async ({ seed, milliseconds, folder }, tally) => {
  const end = performance.now() + milliseconds
  const input = join(folder, 'in')
  const [calm, output] = [join(folder, 'calm'), join(folder, 'out')]
  const next = random(seed)
  const count = await drawTree(input, 300, next)
  const start = performance.now()
  const undisturbed = await upscale(input, calm).ended
  const took = performance.now() - start
  if (undisturbed.code !== 0) tally.broke(`the undisturbed run ended with ${undisturbed.code}: ${undisturbed.said.slice(-500)}`)
  const expected = await readTree(calm)
  if (expected.size !== count) tally.broke(`${count} pictures, but the undisturbed run made ${expected.size}`)
  for (const [name, bytes] of expected) {
    const fault = await undecodable(bytes)
    if (fault !== undefined) tally.broke(`${name}: ${fault}`)
  }

  const engines = new Set<number>()
  let done = false
  for (let kill = 0; kill < MOST_KILLS && performance.now() < end && !done; kill++) {
    const run = upscale(input, output)
    const whole = delay(between(next, 0.1, 0.6) * took)
    const engineToo = next() < 0.3
    await Promise.race([engineToo ? delay(between(next, 0.1, 0.4) * took) : whole, run.ended])
    if (engineToo && run.isRunning()) {
      for (const pid of childrenOf(run.pid)) kindly(pid)
      tally.count('engine child killed')
    }
    await Promise.race([whole, run.ended])
    for (const pid of childrenOf(run.pid)) engines.add(pid)
    done = !run.isRunning()
    if (done && (await run.ended).code !== 0)
      tally.broke(`a run ended with ${(await run.ended).code}: ${(await run.ended).said.slice(-500)}`)
    if (!done) {
      run.kill()
      await run.ended
      tally.count('command killed')
    }
    const now = await readTree(output)
    for (const [name, bytes] of now) {
      if (!expected.get(name)?.equals(bytes)) tally.broke(`${name} is not what an undisturbed run writes, after kill ${kill + 1}`)
    }
    tally.fact(`after run ${kill + 1}: ${now.size} of ${count}`)
  }

  const last = await upscale(input, output).ended
  if (last.code !== 0) tally.broke(`the last run ended with ${last.code}: ${last.said.slice(-500)}`)
  const made = await readTree(output)
  const equal = [...expected].filter(([name, bytes]) => made.get(name)?.equals(bytes)).length
  if (equal !== expected.size || made.size !== expected.size) tally.broke(`${equal} of ${expected.size} are equal; ${made.size} are there`)
  tally.fact(`${equal} of ${expected.size} files equal those of the undisturbed run`)
  for (const name of await readdir(output, { recursive: true })) {
    if (name.endsWith('.uprez-tmp')) tally.broke(`left behind: ${name}`)
  }
  const again = await upscale(input, output, '--json').ended
  const report = JSON.parse(again.out) as { made: unknown[]; done: unknown[] }
  if (report.made.length !== 0 || report.done.length !== count) tally.broke('another run does not find everything done')
  for (const pid of await survivors(engines, 20_000)) {
    tally.broke(`engine child ${pid} outlived its command`)
    kindly(pid)
  }
}

/** Draws tiny pictures of all kinds into a tree. */
async function drawTree(root: string, count: number, next: () => number): Promise<number> {
  for (let i = 0; i < count; i++) {
    const kind = pick(next, ['png', 'jpeg', 'webp', 'tiff'] as const)
    const draw = pick(next, kind === 'png' || kind === 'webp' ? [drawPhoto, drawGrey, drawAlpha] : [drawPhoto])
    const side = () => Math.floor(between(next, 8, 40))
    const path = join(root, pick(next, ['', 'a', 'a/b', 'c']), `${i}.${kind === 'jpeg' ? 'jpg' : kind}`)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, await encode(draw(side(), side(), i), kind))
  }
  return count
}

interface Run {
  pid: number
  isRunning(): boolean
  kill(): void
  ended: Promise<{ code: number | null; out: string; said: string }>
}

function upscale(input: string, output: string, ...more: string[]): Run {
  const child = spawn(process.execPath, [uprez, 'upscale', '-i', input, '-o', output, '-r', '-n', 'fast-x4', ...more], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, said] = ['', '']
  child.stdout.on('data', text => {
    out += text
  })
  child.stderr.on('data', text => {
    said += text
  })
  const isRunning = () => child.exitCode === null && child.signalCode === null
  // Not `close`: an engine child that outlives its command holds the pipes open.
  const ended = new Promise<{ code: number | null; out: string; said: string }>((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', code => (code === null ? resolve({ code, out, said }) : child.once('close', () => resolve({ code, out, said }))))
  })
  return { pid: child.pid!, isRunning, kill: () => child.kill('SIGKILL'), ended }
}

/** It may have ended just before. */
function kindly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {}
}

/** Every file that a folder's user would see, by its path. */
async function readTree(root: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = entries.filter(entry => entry.isFile() && !entry.name.startsWith('.'))
  const read = async (path: string): Promise<[string, Buffer]> => [path.slice(root.length + 1), await readFile(path)]
  return new Map(await Promise.all(files.map(({ parentPath, name }) => read(join(parentPath, name)))))
}
