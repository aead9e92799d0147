import { createHash } from 'node:crypto'
import { Agent, request } from 'node:http'

/** A picture as the body of a form. */
export interface Body {
  name: string
  body: Buffer
}

/** What came of a round of requests. */
export interface Round {
  seconds: number
  /** SHA-256 of each answer, by the name of its picture. */
  sums: Map<string, string>
  /** Milliseconds of each request, from sending to the last byte. */
  latencies: number[]
}

const BOUNDARY = 'uprez-bench-boundary'

export function formOf(name: string, bytes: Buffer): Body {
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="img"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`
  return { name, body: Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]) }
}

/** Sends all of them to `POST /upscale`, so many at a time. @throws Error for an answer other than 200 */
export async function postAll(port: number, bodies: readonly Body[], inFlight: number, query = ''): Promise<Round> {
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight })
  const answers = new Map<string, Buffer>()
  const latencies: number[] = []
  let next = 0
  const line = async () => {
    while (next < bodies.length) {
      const { name, body } = bodies[next++]!
      const start = performance.now()
      answers.set(name, await send(port, `/upscale${query}`, agent, body))
      latencies.push(performance.now() - start)
    }
  }
  const start = performance.now()
  await Promise.all(Array.from({ length: inFlight }, line))
  const seconds = (performance.now() - start) / 1000
  agent.destroy()
  const sums = new Map([...answers].map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')]))
  return { seconds, sums, latencies }
}

/** Posts a form's body, or gets where there is none. @throws Error for an answer other than 200 */
export function send(port: number, path: string, agent: Agent, body?: Buffer): Promise<Buffer> {
  const headers = body ? { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`, 'Content-Length': body.length } : {}
  const method = body ? 'POST' : 'GET'
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, agent, headers }, answer => {
      const parts: Buffer[] = []
      answer.on('data', part => parts.push(part))
      answer.on('error', reject)
      answer.on('end', () => {
        const bytes = Buffer.concat(parts)
        if (answer.statusCode === 200) resolve(bytes)
        else reject(new Error(`${method} ${path} answered ${answer.statusCode}: ${bytes.toString('utf8', 0, 300)}`))
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
