import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { type Socket, Server as TcpServer } from 'node:net'

/** The open connections of a server and the answers still owed on each. */
export interface Connections {
  /** Stops accepting, closes idle connections, and the others after their answers. Resolves when none is left. */
  drain(): Promise<void>
  /** Closes what is still open. */
  cut(): void
  /** Whether an answer has begun on this connection and is not over. */
  isAnswering(socket: Socket): boolean
}

/**
 * http's own `server.close()` will not do: it destroys a connection as soon as the answer was handed to `end()`, though
 * most of a large picture may still wait to be sent.
 */
export function trackConnections(server: Server): Connections {
  const owed = new Map<Socket, Set<ServerResponse>>()
  let draining = false

  server.on('connection', socket => {
    owed.set(socket, new Set())
    socket.once('close', () => owed.delete(socket))
  })
  for (const event of ['request', 'checkContinue', 'checkExpectation']) {
    server.on(event, ({ socket }: IncomingMessage, res: ServerResponse) => {
      owed.get(socket)?.add(res)
      res.once('close', () => {
        owed.get(socket)?.delete(res)
        if (draining) closeIfIdle(socket)
      })
    })
  }

  const closeIfIdle = (socket: Socket) => {
    if (owed.get(socket)?.size === 0) socket.destroySoon()
  }
  return {
    drain() {
      draining = true
      const closed = new Promise<void>(resolve => TcpServer.prototype.close.call(server, () => resolve()))
      for (const socket of owed.keys()) closeIfIdle(socket)
      return closed
    },
    cut() {
      for (const socket of owed.keys()) socket.destroy()
    },
    isAnswering: socket => [...(owed.get(socket) ?? [])].some(res => res.headersSent),
  }
}
