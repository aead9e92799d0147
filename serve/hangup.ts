import type { IncomingMessage, ServerResponse } from 'node:http'

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
    // Where this process was held up, what has come meanwhile is read before it is called late.
    const timer = setTimeout(() => setImmediate(() => req.complete || req.socket.destroy()), LINGER_MS)
    req.once('end', () => clearTimeout(timer))
    req.once('close', () => clearTimeout(timer))
    req.resume()
  })
}
