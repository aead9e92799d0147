import { Agent } from 'node:http'
import { join } from 'node:path'
import type { HandAnswer, HandQuestion } from './hand.js'
import { handInWords, startFastestHand } from './hand-peer.js'
import { type Body, formOf, postAll, send } from './http.js'
import { drawLarge, drawPictures, drawSmall } from './pictures.js'
import { peakMemory } from './proc.js'
import type { Row } from './rows.js'
import { type ServerProcess, startPythonServer, startUprez } from './server-process.js'
import type { Setting } from './setting.js'
import { compare, inTurn, median, percentile } from './statistics.js'

const IN_FLIGHT = 8

/** `POST /upscale` against the hand-written loop that never meets HTTP and against a Python server, and what requests wait and cost. */
export async function benchServe(setting: Setting): Promise<Row[]> {
  const pictures = await drawPictures(join(setting.folder, 'serve'), setting.quick ? 4 : 32)
  const bodies = pictures.files.map(({ name, bytes }) => formOf(name, bytes))
  const what = `POST /upscale of ${bodies.length} JPEG and PNG pictures of 256–512 pixels, ${pictures.megapixels.toFixed(1)} megapixels, ×${setting.card.scale}`
  const starts: number[] = []
  for (let i = 0; i < (setting.quick ? 1 : 3); i++) starts.push(await startToFirstAnswer(bodies[0]!))

  const server = await startUprez()
  try {
    return [
      ...(await againstHand(setting, server, pictures.folder, bodies, what)),
      await againstPython(setting, server, bodies, what),
      await healthWhileBusy(setting, server, bodies),
      await smallBesideLarge(setting, server),
      {
        name: 'start to first answer',
        unit: 's',
        ours: `from starting uprez serve to the last byte of its first answer, median of ${starts.length}`,
        value: median(starts),
      },
      await memoryOfLarge(setting, 'jpg'),
      await memoryOfLarge(setting, 'png'),
    ]
  } finally {
    await server.close()
  }
}

async function againstHand(setting: Setting, server: ServerProcess, folder: string, bodies: Body[], what: string): Promise<Row[]> {
  const few = await drawPictures(join(setting.folder, 'serve-few'), setting.quick ? 2 : 8)
  const { style, hand } = await startFastestHand({ kind: 'memory', input: few.folder }, setting)
  try {
    const question: HandQuestion = { kind: 'memory', input: folder }
    const { sums } = await hand.ask<HandAnswer>(question)
    const first = await postAll(server.port, bodies, IN_FLIGHT)
    const same = [...first.sums].filter(([name, sum]) => sums![name] === sum).length
    const crowded: number[] = []
    const pairs = await inTurn(
      setting.quick ? 1 : 4,
      async () => {
        const { seconds, latencies } = await postAll(server.port, bodies, IN_FLIGHT)
        crowded.push(...latencies)
        return bodies.length / seconds
      },
      async () => bodies.length / (await hand.ask<HandAnswer>(question)).seconds,
    )
    const { latencies: alone } = await postAll(server.port, bodies, 1)
    const latency = (name: string, share: number, values: number[], flight: number): Row => ({
      name,
      unit: 'ms',
      ours: `the same pictures: from sending to the last byte, ${flight} in flight, ${values.length} requests`,
      value: percentile(values, share),
    })
    return [
      {
        name: `POST /upscale, ${IN_FLIGHT} in flight`,
        unit: 'pictures/s',
        ours: `${what}; the client runs on the same cores; ${same === bodies.length ? 'all' : `${same} of the`} answers are the peer's byte for byte`,
        peer: `hand-written loop from memory to memory: sharp, ${handInWords(style, setting.threads)}, sharp`,
        result: compare(pairs),
      },
      latency(`latency p50, ${IN_FLIGHT} in flight`, 0.5, crowded, IN_FLIGHT),
      latency(`latency p99, ${IN_FLIGHT} in flight`, 0.99, crowded, IN_FLIGHT),
      latency('latency p50, alone', 0.5, alone, 1),
      latency('latency p99, alone', 0.99, alone, 1),
    ]
  } finally {
    await hand.close()
  }
}

async function againstPython(setting: Setting, server: ServerProcess, bodies: Body[], what: string): Promise<Row> {
  const name = 'POST /upscale against Python'
  const python = await startPythonServer(setting.graph, setting.threads).catch((error: Error) => error)
  if (python instanceof Error) {
    const needed = 'fastapi, uvicorn, python-multipart, pillow and onnxruntime for the Python that UPREZ_BENCH_PYTHON names'
    return { name, reason: `${needed}: ${python.message}` }
  }
  try {
    const rate =
      ({ port }: ServerProcess) =>
      async () =>
        bodies.length / (await postAll(port, bodies, IN_FLIGHT)).seconds
    await rate(python)()
    const pairs = await inTurn(setting.quick ? 1 : 4, rate(server), rate(python))
    const peer = `FastAPI, ONNX Runtime with ${setting.threads} threads and Pillow (bench/peers/serve.py), the same client, graph, formats and settings`
    return { name, unit: 'pictures/s', ours: what, peer, result: compare(pairs) }
  } finally {
    await python.close()
  }
}

/** How long `/healthz` takes while clients keep the server full. */
async function healthWhileBusy(setting: Setting, { port }: ServerProcess, bodies: Body[]): Promise<Row> {
  const agent = new Agent({ keepAlive: true })
  const waits: number[] = []
  let busy = true
  const load = postAll(port, setting.quick ? bodies : [...bodies, ...bodies], IN_FLIGHT).finally(() => {
    busy = false
  })
  while (busy) {
    const start = performance.now()
    await send(port, '/healthz', agent)
    waits.push(performance.now() - start)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  await load
  agent.destroy()
  return {
    name: '/healthz p99, saturated',
    unit: 'ms',
    ours: `GET /healthz every 5 ms while ${IN_FLIGHT} clients upscale, ${waits.length} requests`,
    value: percentile(waits, 0.99),
  }
}

/** What a small picture waits while a huge one is in work. */
async function smallBesideLarge(setting: Setting, { port }: ServerProcess): Promise<Row> {
  const large = [formOf('large.jpg', await drawLarge(setting.quick ? 2 : 24, 'jpg'))]
  const small = Array.from({ length: setting.quick ? 3 : 20 }, (_, i) => i)
  const one = formOf('small.png', await drawSmall(64))
  const eachAlone = async () => {
    const waits: number[] = []
    for (const _ of small) waits.push(...(await postAll(port, [one], 1)).latencies)
    return waits
  }
  const alone = median(await eachAlone())
  let done = false
  // Four times as wide, it would be more than the default limit allows.
  const work = postAll(port, large, 1, '?model=fast-x2&format=jpg').finally(() => {
    done = true
  })
  const beside: number[] = []
  while (!done) beside.push(...(await postAll(port, [one], 1)).latencies)
  await work
  return {
    name: '64×64 beside a large one',
    unit: 'times alone',
    ours: `p50 of a 64×64 PNG while a picture of ${setting.quick ? 2 : 24} megapixels is in work (${beside.length} requests), over that alone (${alone.toFixed(1)} ms)`,
    value: median(beside) / alone,
  }
}

async function startToFirstAnswer(body: Body): Promise<number> {
  const start = performance.now()
  const server = await startUprez()
  await postAll(server.port, [body], 1)
  const seconds = (performance.now() - start) / 1000
  await server.close()
  return seconds
}

/** The most memory that the server's processes have for one picture of 24 megapixels, doubled. */
async function memoryOfLarge(setting: Setting, format: 'jpg' | 'png'): Promise<Row> {
  const megapixels = setting.quick ? 2 : 24
  const picture = await drawLarge(megapixels, format)
  const name = `memory of ${megapixels} megapixels ×2, ${format}`
  const large = formOf(`large.${format}`, picture)
  const server = await startUprez()
  try {
    const before = peakMemory(server.pid)
    await postAll(server.port, [large], 1, `?model=fast-x2&format=${format}`)
    const raw = megapixels * 4 * 3
    const peak = peakMemory(server.pid)
    if (peak === undefined || before === undefined) return { name, reason: 'only Linux tells (/proc)' }
    return {
      name,
      unit: 'times its raw result',
      ours: `most resident memory of the server's processes above what they have idle (${before.toFixed(0)} MB), for a file of ${(picture.length / 1e6).toFixed(0)} MB, over ${raw} MB, the result in bytes`,
      value: (peak - before) / raw,
    }
  } finally {
    await server.close()
  }
}
