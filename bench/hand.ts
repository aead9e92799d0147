import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, parse } from 'node:path'
import { formatOf } from './codec.js'
import { openHandLoop, type Style } from './hand-loop.js'
import { serveLines } from './peer.js'

/** The hand-written loop as a program (see peer.ts): `hand.js STYLE THREADS MODEL`. */

export type HandQuestion =
  /** Every picture of a folder, into another. */
  | { kind: 'folder'; input: string; output: string }
  /** Every picture of a folder, read beforehand, its result dropped. */
  | { kind: 'memory'; input: string }
  | { kind: 'windows'; count: number; width: number; height: number }

export interface HandAnswer {
  seconds: number
  /** Of the results, by the name of the picture. */
  sums?: Record<string, string>
}

const [style, threads, model] = process.argv.slice(2) as [Style, string, string]
const loop = await openHandLoop(style, Number(threads), model)
const held = new Map<string, Map<string, Buffer>>()
await serveLines({}, answer)
loop.close()

async function answer(question: HandQuestion): Promise<HandAnswer> {
  if (question.kind === 'windows') {
    const { count, width, height } = question
    const start = performance.now()
    await loop.windows(count, width, height)
    return { seconds: (performance.now() - start) / 1000 }
  }
  return question.kind === 'folder' ? folder(question.input, question.output) : memory(question.input)
}

async function folder(input: string, output: string): Promise<HandAnswer> {
  const start = performance.now()
  await mkdir(output, { recursive: true })
  await eachOf(await readdir(input), async name => {
    const format = formatOf(name)
    await writeFile(join(output, `${parse(name).name}.${format}`), await loop.picture(await readFile(join(input, name)), format))
  })
  return { seconds: (performance.now() - start) / 1000 }
}

async function memory(input: string): Promise<HandAnswer> {
  const files = held.get(input) ?? new Map<string, Buffer>()
  if (files.size === 0) for (const name of await readdir(input)) files.set(name, await readFile(join(input, name)))
  held.set(input, files)
  const results = new Map<string, Uint8Array>()
  const start = performance.now()
  await eachOf([...files.keys()], async name => {
    results.set(name, await loop.picture(files.get(name)!, formatOf(name)))
  })
  const seconds = (performance.now() - start) / 1000
  return {
    seconds,
    sums: Object.fromEntries([...results].map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')])),
  }
}

/** As many in flight as keep the cores busy while some decode and encode. */
async function eachOf(names: string[], work: (name: string) => Promise<void>): Promise<void> {
  let next = 0
  const line = async () => {
    while (next < names.length) await work(names[next++]!)
  }
  await Promise.all(Array.from({ length: Number(threads) + 2 }, line))
}
