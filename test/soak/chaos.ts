import { setTimeout as delay } from 'node:timers/promises'
import { formHead, partHead, type Wire, wire } from '../serve/support.js'
import { random } from '../support/draw.js'
import { type Ask, ask, askInTurn, drawAsks } from './asks.js'
import { BOUNDARY, openClient } from './client.js'
import { mountDisk } from './disk.js'
import { askForJob } from './jobs.js'
import { exchangeModels, writeVersions } from './models.js'
import { between, type Part, pick, until } from './part.js'
import { isAlive } from './processes.js'
import { type Soaked, startServer } from './server.js'
import type { Tally } from './tally.js'

const STAYING = 4
const WAITING = 3
const HALF_OPEN = 20

/**
 * The engine child is killed or stopped, the model's folder is exchanged, the disk of the jobs is full every now and then, clients hang
 * up in mid-upload, sit there saying nothing or cancel their jobs, and meanwhile others stay: what they get must be what they would
 * have got in peace. At last the server itself is killed in mid-work.
 */
export const chaos: Part = async ({ seed, milliseconds, folder }, tally) => {
  const asks = await drawAsks(seed, 20, 320)
  const models = await writeVersions(folder)
  const disk = await mountDisk(folder, tally)
  const environment = {
    UPREZ_HEADERS_TIMEOUT_MS: '3000',
    UPREZ_REQUEST_TIMEOUT_MS: '15000',
    // A stopped engine is known by its silence.
    UPREZ_DEADLINE_MS: '8000',
    UPREZ_JOB_TTL_MS: '5000',
    ...disk.environment,
  }
  const server = await startServer(folder, tally, environment, ['-m', models])
  const client = openClient(server.port)
  await askInTurn(client, asks, tally)

  const end = performance.now() + milliseconds
  const kills = { count: 0 }
  const next = random(seed)
  /** A picture is begun anew once. Whoever met two kills since now may be told so. */
  const excuseFromNow = () => {
    const before = kills.count
    return (code: string) =>
      (code === 'engine-crashed' || code === 'timeout') && kills.count - before >= 2 ? `${code}, after two kills` : undefined
  }
  const stay = () => ask(client, pick(next, asks), tally, excuseFromNow())
  const waiting = random(seed + 4)
  const leaving = random(seed + 1)
  const sitting = random(seed + 2)
  await Promise.all([
    until(end, STAYING, stay),
    until(end, WAITING, () => askForJob(client, pick(waiting, asks), waiting, tally, excuseFromNow())),
    killEngines(server, random(seed + 3), end, kills, tally),
    exchangeModels(models, random(seed + 5), end, tally),
    until(end, 1, async () => {
      await leave(server.port, pick(leaving, asks), leaving, tally)
      await delay(between(leaving, 20, 400))
    }),
    sit(server.port, pick(sitting, asks), sitting, end, tally),
  ])

  await askInTurn(client, asks, tally)
  client.close()
  tally.fact(`${kills.count} kills and stops of the engine child; ${server.engines.size} children seen`)
  await killServer(server, asks, tally)

  const later = await startServer(folder, tally, environment, ['-m', models])
  await later.end()
  await disk.end()
}

/** SIGKILL or SIGSTOP at drawn moments, sometimes again before the next child can have started. */
async function killEngines(server: Soaked, next: () => number, end: number, kills: { count: number }, tally: Tally): Promise<void> {
  while (performance.now() < end) {
    await delay(next() < 0.3 ? between(next, 0, 600) : between(next, 500, 5000))
    const pid = await server.enginePid().catch(error => tally.broke(`/healthz does not answer: ${error.message}`))
    if (pid === undefined || !isAlive(pid)) continue
    kills.count++
    process.kill(pid, next() < 0.2 ? 'SIGSTOP' : 'SIGKILL')
  }
}

/** Goes away at a drawn byte of the upload, or after all of it, politely or not. */
async function leave(port: number, { body }: Ask, next: () => number, tally: Tally): Promise<void> {
  const { socket, write } = await wire(port)
  write(uploadHead(body.length))
  const sent = next() < 0.3 ? body.length : Math.floor(between(next, 0, body.length))
  write(body.subarray(0, sent))
  await delay(between(next, 0, 200))
  const how = pick(next, ['end', 'destroy', 'resetAndDestroy'] as const)
  socket[how]()
  tally.count(`hung up ${sent === body.length ? 'after the upload' : 'in mid-upload'}`)
  // A half-closed connection is closed by the server in its time, which is not waited for.
  if (how === 'end') setTimeout(() => socket.destroy(), 20_000).unref()
}

/** Connections that begin something and then stay silent, until the server has had enough of them. */
async function sit(port: number, { body }: Ask, next: () => number, end: number, tally: Tally): Promise<void> {
  const begun = ['', 'POST /ups', formHead('Content-Length: 5000\r\n'), formHead('Content-Length: 5000\r\n') + partHead()]
  const open = new Set<Wire>()
  while (performance.now() < end) {
    await delay(between(next, 100, 500))
    if (open.size >= HALF_OPEN) continue
    const connection = await wire(port)
    open.add(connection)
    connection.socket.on('close', () => {
      open.delete(connection)
      tally.count('silent connection closed by the server')
    })
    connection.write(pick(next, begun))
    if (next() < 0.3) connection.write(Buffer.concat([Buffer.from(uploadHead(body.length)), body.subarray(0, body.length / 2)]))
  }
  for (const { socket } of open) socket.removeAllListeners('close').destroy()
}

const uploadHead = (length: number): string =>
  `POST /upscale HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=${BOUNDARY}\r\nContent-Length: ${length}\r\n\r\n`

/** The children of a server that cannot say goodbye must notice by themselves; `end` looks for them. */
async function killServer(server: Soaked, asks: readonly Ask[], tally: Tally): Promise<void> {
  const client = openClient(server.port)
  const lost = asks.flatMap(({ body }) => ['/upscale', '/jobs'].map(path => client.post(body, path).catch(() => undefined)))
  await Promise.race(lost)
  await server.enginePid()
  await server.end('SIGKILL')
  await Promise.all(lost)
  client.close()
  tally.fact('the server killed in mid-work: its engine child ended by itself')
}
