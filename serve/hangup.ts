import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const LINGER_MS = 1000

/**
 * For an answer that is given before the body was read. The rest of the body is read and dropped for a
 * moment, because closing at once would reset the connection and the client might never see the answer;
 * then the connection is closed, because a body may be long.
 */
export function hangUpUnlessRead(req: IncomingMessage, res: ServerResponse): void {
  if (req.complete) return
  res.once('finish', () => {
    if (req.complete) return
    const cancel = afterLingering(() => req.complete || req.socket.destroy())
    req.once('end', cancel)
    req.once('close', cancel)
    req.resume()
  })
}

/** The same for a connection that is no longer understood: it is closed when the client closes it, or after that moment. */
export function lingerAndClose(socket: Socket): void {
  const cancel = afterLingering(() => socket.destroy())
  socket.once('end', () => socket.destroySoon())
  socket.once('close', cancel)
  socket.resume()
}

/** Where this process was held up, what has come meanwhile is read before it is called late. @returns calls it off */
function afterLingering(act: () => void): () => void {
  const timer = setTimeout(() => setImmediate(act), LINGER_MS)
  return () => clearTimeout(timer)
}
