import { random } from '../support/draw.js'
import { type Ask, ask, drawAsks, undecodable } from './asks.js'
import { type Answer, type Client, codeOf, openClient, shown } from './client.js'
import { hostileCorpus } from './corpus/corpus.js'
import type { Hostile, Right } from './corpus/hostile.js'
import { type Part, pick } from './part.js'
import { peakMemoryOf } from './processes.js'
import { type Soaked, startServer } from './server.js'
import type { Tally } from './tally.js'

const SIDE_BY_SIDE = 4

/** The whole hostile corpus, again and again with other bytes changed; meanwhile somebody sends good pictures. */
export const hostile: Part = async ({ seed, milliseconds, folder }, tally) => {
  const server = await startServer(folder, tally)
  const end = performance.now() + milliseconds
  let sent = 0
  for (let round = seed; round === seed || performance.now() < end; round++) {
    const files = Object.values(await hostileCorpus(round)).flat()
    await feed(server, files, seed, tally)
    sent += files.length
  }
  tally.fact(`${sent} hostile uploads`)
  checkMemory(server, tally)
  await server.end()
}

/** Sends them all, some side by side, and good pictures all the while. Every answer must be one of its right ones. */
export async function feed(server: Soaked, files: readonly Hostile[], seed: number, tally: Tally): Promise<void> {
  const client = openClient(server.port)
  const good = await drawAsks(seed, 5, 40)
  const next = random(seed)
  const queue = [...files]
  const line = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) await send(client, file, tally)
  }
  let over = false
  const lines = Promise.all(Array.from({ length: SIDE_BY_SIDE }, line)).finally(() => {
    over = true
  })
  do await ask(client, pick<Ask>(next, good), tally)
  while (!over)
  await lines
  client.close()
  await server.enginePid()
  if (server.engines.size !== 1) tally.broke(`the engine died of an upload: ${server.engines.size} were seen`)
}

async function send(client: Client, { name, body, right }: Hostile, tally: Tally): Promise<void> {
  const begun = performance.now()
  const fault = await client.post(await body()).then(
    answer => judge(answer, right, tally),
    error => `no answer: ${error.message}`,
  )
  if (fault !== undefined) tally.broke(`${name}: ${fault}`)
  const seconds = (performance.now() - begun) / 1000
  if (seconds > SLOW_SECONDS) tally.broke(`${name}: took ${seconds.toFixed(0)} s`)
}

/** Thousands of times what such a picture costs; a bomb that is let in takes longer. */
const SLOW_SECONDS = 60

async function judge(answer: Answer, right: readonly Right[], tally: Tally): Promise<string | undefined> {
  const { status, headers, bytes } = answer
  const code = codeOf(answer)
  const came = status === 200 ? 200 : code
  if (!right.some(each => each === came)) return `expected ${right.join(' or ')} but received ${shown(answer)}`
  tally.count(`hostile: ${status}${code === undefined ? '' : ` ${code}`}`)
  if (status !== 200) return INNARDS.test(bytes.toString()) ? `tells of our innards: ${shown(answer)}` : undefined
  if (!/^image\/(png|jpeg|webp|avif|tiff)$/.test(String(headers['content-type']))) return `a picture called ${headers['content-type']}`
  if (headers['x-content-type-options'] !== 'nosniff') return 'a picture that may be taken for something else'
  if (!SAFE_NAME.test(String(headers['content-disposition']))) return `named ${headers['content-disposition']}`
  if ('x-injected' in headers) return 'a file name became a header'
  return undecodable(bytes)
}

/** Paths, stacks and versions. */
const INNARDS = /\/(tmp|home|root|usr|var|work|app)\/|node_modules|\.[jt]s:\d|\bat \w+ \(|libvips \d|uprez-soak/
/** RFC 6266, and a last part of a path alone. */
const SAFE_NAME = /^inline; filename="[^"/\\]+"(; filename\*=UTF-8''(?!.*%(2F|5C|0A|0D|00))[\w.!#$&+^`|~%-]+)?$/i

/** Bytes at most, at any time. What was measured is half of it. */
const PEAKS = { server: 400e6, engine: 1100e6 }

export function checkMemory(server: Soaked, tally: Tally): void {
  const peaks = { server: peakMemoryOf(server.pid), engine: Math.max(...[...server.engines].map(pid => peakMemoryOf(pid) ?? 0)) }
  for (const who of ['server', 'engine'] as const) {
    const peak = peaks[who] ?? 0
    tally.fact(`peak memory of the ${who}: ${(peak / 1e6).toFixed(0)} MB`)
    if (peak > PEAKS[who]) tally.broke(`the ${who} took ${(peak / 1e6).toFixed(0)} MB, more than ${PEAKS[who] / 1e6}`)
  }
}
