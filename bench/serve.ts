import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { HandAnswer, HandQuestion } from './hand.js'
import { handInWords, startFastestHand } from './hand-peer.js'
import { drawPictures } from './pictures.js'
import type { Row } from './rows.js'
import type { Setting } from './setting.js'
import { compare, inTurn, percentile } from './statistics.js'

const uprez = fileURLToPath(new URL('../bin/uprez.js', import.meta.url))
const IN_FLIGHT = 4

/** `POST /upscale` against the hand-written loop that never meets HTTP, and what a request waits. */
export async function benchServe(setting: Setting): Promise<Row[]> {
  const pictures = await drawPictures(join(setting.folder, 'serve'), setting.quick ? 4 : 24)
  const few = await drawPictures(join(setting.folder, 'serve-few'), setting.quick ? 2 : 8)
  const { style, hand } = await startFastestHand({ kind: 'memory', input: few.folder }, setting)
  const question: HandQuestion = { kind: 'memory', input: pictures.folder }
  const { sums } = await hand.ask<HandAnswer>(question)
  const server = await startServer()
  try {
    const bodies = pictures.files.map(({ name, bytes }) => ({ name, body: multipart(name, bytes) }))
    const crowded: number[] = []
    const alone: number[] = []
    const first = await postAll(server.port, bodies, IN_FLIGHT, [])
    const same = [...first.sums].filter(([name, sum]) => sums![name] === sum).length

    const pairs = await inTurn(
      setting.quick ? 1 : 4,
      async () => bodies.length / (await postAll(server.port, bodies, IN_FLIGHT, crowded)).seconds,
      async () => bodies.length / (await hand.ask<HandAnswer>(question)).seconds,
    )
    await postAll(server.port, bodies, 1, alone)

    const what = `POST /upscale of ${bodies.length} JPEG and PNG pictures of 256–512 pixels, ${pictures.megapixels.toFixed(1)} megapixels, ×${setting.card.scale}`
    const latency = (name: string, share: number, values: number[], flight: number): Row => ({
      name,
      unit: 'ms',
      ours: `the same pictures: from sending to the last byte, ${flight} in flight, ${values.length} requests`,
      value: percentile(values, share),
    })
    return [
      {
        name: 'POST /upscale, 4 in flight',
        unit: 'pictures/s',
        ours: `${what}; the client runs on the same cores; ${same === bodies.length ? 'all' : `${same} of the`} answers are the peer's byte for byte`,
        peer: `hand-written loop from memory to memory: sharp, ${handInWords(style, setting.threads)}, sharp`,
        result: compare(pairs),
      },
      latency('latency p50, 4 in flight', 0.5, crowded, IN_FLIGHT),
      latency('latency p99, 4 in flight', 0.99, crowded, IN_FLIGHT),
      latency('latency p50, alone', 0.5, alone, 1),
      latency('latency p99, alone', 0.99, alone, 1),
    ]
  } finally {
    await Promise.all([server.close(), hand.close()])
  }
}

interface Body {
  name: string
  body: Buffer
}

async function startServer(): Promise<{ port: number; close(): Promise<void> }> {
  const environment = { ...process.env, UPREZ_LOG: 'silent', UPREZ_RATE_LIMIT: '0' }
  const child = spawn(process.execPath, [uprez, 'serve', '--port', '0', '--host', '127.0.0.1'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: environment,
  })
  const gone = new Promise<void>(resolve => child.on('close', () => resolve()))
  return {
    port: await readyPort(child),
    close() {
      child.kill('SIGTERM')
      return gone
    },
  }
}

function readyPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let last = ''
    createInterface({ input: child.stderr! }).on('line', line => {
      last = line
      const port = /:(\d+)\/ is ready/.exec(line)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
    child.on('error', reject)
    child.on('close', () => reject(new Error(`the server did not start: ${last}`)))
  })
}

const BOUNDARY = 'uprez-bench-boundary'

function multipart(name: string, bytes: Buffer): Buffer {
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="img"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`
  return Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)])
}

/** Sends all of them, so many at a time; each request's milliseconds are added to `latencies`. */
async function postAll(
  port: number,
  bodies: Body[],
  inFlight: number,
  latencies: number[],
): Promise<{ seconds: number; sums: Map<string, string> }> {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight })
  const answers = new Map<string, Buffer>()
  let next = 0
  const line = async () => {
    while (next < bodies.length) {
      const { name, body } = bodies[next++]!
      const start = performance.now()
      answers.set(name, await post(port, agent, body))
      latencies.push(performance.now() - start)
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: inFlight }, line))
  const seconds = (performance.now() - start) / 1000
  agent.destroy()
  return { seconds, sums: new Map([...answers].map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')])) }
}

function post(port: number, agent: Agent, body: Buffer): Promise<Buffer> {
  const headers = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`, 'Content-Length': body.length }
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path: '/upscale', method: 'POST', agent, headers }, answer => {
      const parts: Buffer[] = []
      answer.on('data', part => parts.push(part))
      answer.on('error', reject)
      answer.on('end', () => {
        const bytes = Buffer.concat(parts)
        if (answer.statusCode === 200) resolve(bytes)
        else reject(new Error(`POST /upscale answered ${answer.statusCode}: ${bytes.toString('utf8', 0, 300)}`))
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
