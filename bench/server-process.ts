import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../test/support/ports.js'

export interface ServerProcess {
  port: number
  pid: number
  close(): Promise<void>
}

const uprez = fileURLToPath(new URL('../bin/uprez.js', import.meta.url))
const pythonServer = fileURLToPath(new URL('../../bench/peers/serve.py', import.meta.url))

/** `uprez serve`, ready. */
export function startUprez(): Promise<ServerProcess> {
  const environment = { ...process.env, UPREZ_LOG: 'silent', UPREZ_RATE_LIMIT: '0' }
  const child = spawn(process.execPath, [uprez, 'serve', '--port', '0', '--host', '127.0.0.1'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: environment,
  })
  return ready(child, child.stderr!, line => Number(/:(\d+)\/ is ready/.exec(line)?.[1] ?? 0))
}

/** bench/peers/serve.py, ready. @throws Error with its last words, where fastapi, uvicorn, python-multipart, pillow or onnxruntime lack */
export async function startPythonServer(graph: string, threads: number): Promise<ServerProcess> {
  const [port] = await freePorts(1)
  const python = process.env.UPREZ_BENCH_PYTHON || 'python3'
  const child = spawn(python, [pythonServer, graph, String(port!), String(threads)], { stdio: ['ignore', 'pipe', 'pipe'] })
  return ready(child, child.stdout!, line => (line === 'ready' ? port : 0))
}

function ready(child: ChildProcess, said: NodeJS.ReadableStream, portIn: (line: string) => number): Promise<ServerProcess> {
  const gone = once(child, 'close').catch(() => {})
  let last = ''
  return new Promise((resolve, reject) => {
    const hear = (stream: NodeJS.ReadableStream) =>
      createInterface({ input: stream }).on('line', line => {
        last = line
        const port = portIn(line)
        if (port !== 0) resolve({ port, pid: child.pid!, close })
      })
    hear(said)
    if (child.stderr && child.stderr !== said) hear(child.stderr)
    child.on('error', reject)
    child.on('close', () => reject(new Error(last)))
  })

  async function close() {
    child.kill('SIGTERM')
    await gone
  }
}
