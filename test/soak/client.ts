import { Agent, request } from 'node:http'
import type { Problem } from '../../serve/problem.js'

/** Forms and what came back for them, over node's own HTTP client. */

export interface Answer {
  status: number
  headers: NodeJS.Dict<string | string[]>
  bytes: Buffer
}

export const BOUNDARY = 'uprez-soak-boundary'

export function multipart(name: string, bytes: Uint8Array, fields: Record<string, string> = {}): Buffer {
  const texts = Object.entries(fields).map(
    ([key, value]) => `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${key}"\r\n\r\n${value}\r\n`,
  )
  const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="img"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`
  return Buffer.concat([Buffer.from(texts.join('') + head), bytes, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)])
}

/** Sends forms to one server over kept-alive connections. */
export interface Client {
  /** To `/upscale`, or elsewhere. @throws where the connection breaks or nothing is over after `HANG_MS` */
  post(body: Buffer, path?: string): Promise<Answer>
  /** Without a body. @throws as `post` */
  ask(method: 'GET' | 'DELETE', path: string): Promise<Answer>
  close(): void
}

/** Far beyond what any of the soak's small pictures takes on a slow machine, engine restarts included. */
export const HANG_MS = 120_000

export function openClient(port: number): Client {
  const agent = new Agent({ keepAlive: true })
  return {
    post(body, path = '/upscale') {
      const headers = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}`, 'Content-Length': body.length }
      return send('POST', path, headers, body)
    },
    ask: (method, path) => send(method, path, {}),
    close: () => agent.destroy(),
  }

  function send(method: string, path: string, headers: Record<string, string | number>, body?: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, path, method, agent, headers }, answer => {
        const parts: Buffer[] = []
        answer.on('data', part => parts.push(part))
        answer.on('error', reject)
        answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, bytes: Buffer.concat(parts) }))
      })
      const hang = setTimeout(() => sent.destroy(new Error(`no answer within ${HANG_MS} ms`)), HANG_MS)
      sent.on('close', () => clearTimeout(hang))
      sent.on('error', reject)
      sent.end(body)
    })
  }
}

/** The code of an answer that is an error as documented; else undefined. */
export function codeOf({ status, headers, bytes }: Answer): string | undefined {
  if (!String(headers['content-type']).startsWith('application/problem+json')) return undefined
  const problem = readJson(bytes) as Partial<Problem> | undefined
  return problem?.status === status ? problem.code : undefined
}

function readJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}

export function shown({ status, headers, bytes }: Answer): string {
  const type = String(headers['content-type'])
  return type.startsWith('image/') ? `${status}, ${bytes.length} bytes of ${type}` : `${status} ${bytes.toString('utf8', 0, 300)}`
}
