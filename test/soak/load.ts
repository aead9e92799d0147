import { setTimeout as delay } from 'node:timers/promises'
import { random } from '../support/draw.js'
import { ask, askInTurn, drawAsks } from './asks.js'
import { openClient } from './client.js'
import { type Part, pick, until } from './part.js'
import { startServer } from './server.js'
import { thirds } from './tally.js'

const IN_FLIGHT = 4
const MOST_IN_FLIGHT = 8
const GROWTH = 1.3

/** Many pictures for a long time, now and then more at once than the server takes. */
export const load: Part = async ({ seed, milliseconds, folder }, tally) => {
  const asks = await drawAsks(seed, 20, 320)
  const server = await startServer(folder, tally, { UPREZ_MAX_IN_FLIGHT: String(MOST_IN_FLIGHT) })
  const client = openClient(server.port)
  const next = random(seed)

  const start = performance.now()
  await askInTurn(client, asks, tally)
  await until(performance.now() + milliseconds / 4, IN_FLIGHT, () => ask(client, pick(next, asks), tally))
  const warm = tally.memory.length

  const end = start + milliseconds
  const crowd = async () => {
    while (performance.now() < end) {
      await Promise.all(Array.from({ length: 2 * MOST_IN_FLIGHT }, () => ask(client, pick(next, asks), tally)))
      await delay(Math.min(10_000, milliseconds / 6))
    }
  }
  await Promise.all([crowd(), until(end, IN_FLIGHT, () => ask(client, pick(next, asks), tally))])
  await server.enginePid()
  if (server.engines.size !== 1) tally.broke(`the engine was restarted under plain load: ${server.engines.size} were seen`)
  tally.memory.splice(0, warm)
  client.close()
  await server.end()

  for (const who of ['parent', 'child'] as const) {
    const levels = thirds(tally.memory.map(sample => sample[who]))
    if (levels && levels[2] > GROWTH * levels[0]) tally.broke(`memory of the ${who} grew by more than ${GROWTH} times`)
  }
}
