import { createServer, maxHeaderSize, type RequestListener, type Server, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { UprezError } from '../errors.js'
import { type Connections, trackConnections } from './connections.js'
import { lingerAndClose } from './hangup.js'
import type { ServerLimits } from './limits.js'
import { PROBLEM_TYPE, problemFrom } from './problem.js'

/** An HTTP server around the app, with its time limits; not yet listening. */
export function createHttpServer(app: RequestListener, limits: ServerLimits): { server: Server; connections: Connections } {
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      // Its own refusal would have no content; the app's has.
      requireHostHeader: false,
      connectionsCheckingInterval: Math.min(2000, limits.headersTimeoutMs, limits.requestTimeoutMs),
    },
    app,
  )
  server.maxRequestsPerSocket = limits.maxRequestsPerSocket
  server.maxConnections = limits.maxConnections
  server.on('checkContinue', app)
  server.on('checkExpectation', app)
  const connections = trackConnections(server)
  const refused = new WeakSet<Socket>()
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // What comes after the fault is an error once more.
    if (refused.has(socket)) return
    refused.add(socket)
    if (!socket.writable || connections.isAnswering(socket)) return void socket.destroySoon()
    socket.end(rawProblem(error))
    lingerAndClose(socket)
  })
  return { server, connections }
}

/**
 * @throws UprezError `invalid-option` where the address cannot be had
 * @returns the port, which differs from the one asked for if that was 0
 */
export function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', cause => reject(addressError(cause, port, host)))
    server.listen(port, host, () => resolve((server.address() as { port: number }).port))
  })
}

function addressError(cause: NodeJS.ErrnoException, port: number, host: string): UprezError {
  const reasons: Record<string, [param: string, reason: string]> = {
    EADDRINUSE: ['port', `port ${port} on ${host} is in use by another program; choose another with --port or PORT`],
    EACCES: ['port', `port ${port} may not be opened by this user; choose one above 1023 with --port or PORT`],
    EADDRNOTAVAIL: ['host', `${host} is not an address of this machine`],
    ENOTFOUND: ['host', `${host} is not known as a host name`],
  }
  const [param, reason] = reasons[cause.code ?? ''] ?? ['port', cause.message]
  return new UprezError('invalid-option', `Cannot listen: ${reason}`, { param, expected: 'a free address', got: `${host}:${port}`, cause })
}

/** The answer to bytes that never became a request. */
function rawProblem(error: NodeJS.ErrnoException): string {
  const problem = problemFrom(wireError(error))
  const body = `${JSON.stringify(problem)}\n`
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

function wireError({ code, message }: NodeJS.ErrnoException): UprezError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new UprezError('request-timeout', 'Expected the whole request within the time limit', {
        expected: 'UPREZ_HEADERS_TIMEOUT_MS, UPREZ_REQUEST_TIMEOUT_MS',
      })
    case 'HPE_HEADER_OVERFLOW': {
      const expected = `at most ${maxHeaderSize} bytes of headers`
      return new UprezError('headers-too-large', `Expected ${expected} but received more`, { expected, got: 'more' })
    }
    default: {
      const expected = 'an HTTP/1.1 request'
      return new UprezError('bad-request', `Expected ${expected}: ${message}`, { expected, got: code ?? message })
    }
  }
}
