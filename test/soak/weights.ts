import { type ChildProcess, fork } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ERROR_TABLE } from '../../errors.js'
import { safetensors } from '../../nets/safetensors.js'
import { random } from '../support/draw.js'
import { dictionary, floats, int, tensor, text, torchRow, torchZip, tuple } from '../support/torch-file.js'
import { MUTATIONS } from './mutate.js'
import { type Part, pick, until } from './part.js'
import type { Verdict } from './weights-reader.js'

const reader = fileURLToPath(new URL('./weights-reader.js', import.meta.url))
/** The whole files have a few kB: what takes longer, or more, has been led astray. */
const HANG_MS = 10_000
const MOST_BYTES = 300e6

/** Damaged files of weights, as `uprez adopt` meets them. Each is a network or refused with a code, soon, and in little memory. */
export const weights: Part = async ({ seed, milliseconds, folder }, tally) => {
  const files = wholeFiles(seed)
  const next = random(seed)
  let child = fork(reader, { execArgv: ['--max-old-space-size=256'] })
  let number = 0
  await until(performance.now() + milliseconds, 1, async () => {
    const [name, whole] = pick(next, Object.entries(files))
    const [first, second] = [pick(next, Object.keys(MUTATIONS)), pick(next, Object.keys(MUTATIONS))]
    const path = join(folder, `${++number % 2}-${name}`)
    const bytes = MUTATIONS[second]!(MUTATIONS[first]!(whole, next), next)
    await writeFile(path, bytes)
    const { outcome, peak } = await verdict(child, path)
    const fault = faultOf(outcome, peak)
    tally.count(fault === undefined ? `${name}: ${outcome}` : `${name}: broke`)
    if (fault === undefined) return
    const kept = join(folder, `broke-${number}-${name}`)
    await writeFile(kept, bytes)
    tally.broke(`${first}, ${second}: ${fault} (${kept})`)
    child.kill('SIGKILL')
    child = fork(reader, { execArgv: ['--max-old-space-size=256'] })
  })
  child.kill('SIGKILL')
  tally.fact(`${number} damaged files of weights`)
}

function faultOf(outcome: string, peak: number): string | undefined {
  if (outcome !== 'read' && !(outcome in ERROR_TABLE)) return outcome
  return peak > MOST_BYTES ? `${(peak / 1e6).toFixed(0)} MB of memory` : undefined
}

function verdict(child: ChildProcess, path: string): Promise<Verdict> {
  return new Promise(resolve => {
    const done = (answer: Verdict) => {
      clearTimeout(hang)
      child.removeAllListeners()
      resolve(answer)
    }
    const hang = setTimeout(() => done({ outcome: `no answer in ${HANG_MS} ms`, peak: 0 }), HANG_MS)
    child.once('message', answer => done(answer as Verdict))
    child.once('exit', (code, signal) => done({ outcome: `the reader died: ${signal ?? code}`, peak: 0 }))
    child.send(path)
  })
}

/** A compact network of four channels, in every layout that is read. */
function wholeFiles(seed: number): Record<string, Buffer> {
  const next = random(seed)
  const shapes = {
    'body.0.weight': [4, 3, 3, 3],
    'body.0.bias': [4],
    'body.1.weight': [4],
    'body.2.weight': [12, 4, 3, 3],
    'body.2.bias': [12],
  }
  const entries = Object.entries(shapes).map(([key, shape]) => {
    const size = shape.reduce((product, side) => product * side, 1)
    return { key, shape, data: Float32Array.from({ length: size }, () => next() - 0.5) }
  })
  const storages = Object.fromEntries(entries.map(({ data }, i) => [`${i}`, floats(...data)]))
  const object = dictionary(
    entries.map(({ key, shape, data }, i) => {
      const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, side) => product * side, 1))
      const sizes = { size: int(data.length), shape: tuple(...shape.map(int)), strides: tuple(...strides.map(int)) }
      return [text(key), tensor({ key: text(`${i}`), ...sizes })]
    }),
  )
  return {
    'zip.pth': torchZip(object, storages),
    'row.pth': torchRow(object, storages),
    'whole.safetensors': safetensors(new Map(entries.map(({ key, shape, data }) => [key, { shape, data }])), {}),
  }
}
