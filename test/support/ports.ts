import { once } from 'node:events'
import { createServer } from 'node:net'

/** Ports of this machine that nobody listened on just now, for programs that want to be told one. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map(server => (server.address() as { port: number }).port)
  for (const server of servers) server.close()
  return ports
}
