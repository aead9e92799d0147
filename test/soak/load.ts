import { setTimeout as delay } from 'node:timers/promises'
import { random } from '../support/draw.js'
import { ask, askInTurn, drawAsks } from './asks.js'
import { openClient } from './client.js'
import { type Part, pick, until } from './part.js'
import { startServer } from './server.js'
import { slope, thirds } from './tally.js'

const IN_FLIGHT = 4
const MOST_IN_FLIGHT = 8
const GROWTH = 1.3
/** So many answers say something about a slope; it may be so many bytes for each. */
const TELLING = 5000
const SLOPE = 2000

/** Many pictures for a long time, now and then more at once than the server takes. */
export const load: Part = async ({ seed, milliseconds, requests, folder }, tally) => {
  const asks = await drawAsks(seed, 20, 320, 15)
  const server = await startServer(folder, tally, { UPREZ_MAX_IN_FLIGHT: String(MOST_IN_FLIGHT) })
  const client = openClient(server.port)
  const next = random(seed)

  const start = performance.now()
  await askInTurn(client, asks, tally)
  await until(performance.now() + milliseconds / 4, IN_FLIGHT, () => ask(client, pick(next, asks), tally), requests / 4)
  const warm = tally.memory.length

  const before = tally.latencies.length
  let over = false
  const crowd = async () => {
    while (!over) {
      await Promise.all(Array.from({ length: 2 * MOST_IN_FLIGHT }, () => ask(client, pick(next, asks), tally)))
      await delay(Math.min(10_000, milliseconds / 6))
    }
  }
  const main = until(start + milliseconds, IN_FLIGHT, () => ask(client, pick(next, asks), tally), requests).finally(() => {
    over = true
  })
  await Promise.all([crowd(), main])
  await server.enginePid()
  if (server.engines.size !== 1) tally.broke(`the engine was restarted under plain load: ${server.engines.size} were seen`)
  tally.memory.splice(0, warm)
  const measured = tally.latencies.length - before
  tally.fact(`${measured} pictures after warming up`)
  client.close()
  await server.end()

  for (const who of ['parent', 'child'] as const) {
    const levels = thirds(tally.memory.map(sample => sample[who]))
    if (levels && levels[2] > GROWTH * levels[0]) tally.broke(`memory of the ${who} grew by more than ${GROWTH} times`)
    const each = slope(tally.memory, who) ?? 0
    tally.fact(`memory of the ${who === 'parent' ? 'server' : 'engine child'}: ${(each / 1000).toFixed(1)} MB more with 1,000 answers`)
    if (measured >= TELLING && each > SLOPE) tally.broke(`memory of the ${who} grows by ${Math.round(each)} bytes with each answer`)
  }
}
