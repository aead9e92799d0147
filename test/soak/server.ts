import { spawn } from 'node:child_process'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { isAlive, memoryOf, survivors } from './processes.js'
import type { Tally } from './tally.js'

export const uprez = fileURLToPath(new URL('../../bin/uprez.js', import.meta.url))

/** `uprez serve` as its users run it: a process of its own, known by its port and its /healthz. */
export interface Soaked {
  pid: number
  port: number
  /** The engine child's process id, as /healthz says; undefined while there is none. */
  enginePid(): Promise<number | undefined>
  /** Engine children that were seen. */
  engines: Set<number>
  isRunning(): boolean
  /** Ends it by SIGTERM, or as asked, and checks what must hold then: no process and no file is left. */
  end(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** Starts it with its own folder for temporary files; what it does wrong as a process goes to the tally. */
export async function startServer(
  folder: string,
  tally: Tally,
  environment: Record<string, string> = {},
  options: string[] = [],
): Promise<Soaked> {
  const temporary = join(folder, 'tmp')
  await mkdir(temporary, { recursive: true })
  const child = spawn(process.execPath, [uprez, 'serve', '--port', '0', '--host', '127.0.0.1', '-n', 'fast-x4', ...options], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, UPREZ_LOG: 'error', UPREZ_RATE_LIMIT: '0', ...environment, TMPDIR: temporary },
  })
  // Where a part breaks off before it ends its server.
  process.once('exit', () => child.kill('SIGKILL'))
  const ended = new Promise<{ code: number | null; signal: string | null }>(resolve => {
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
  const last: string[] = []
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', line => {
      last.push(line)
      if (last.length > 20) last.shift()
      const found = /:(\d+)\/ is ready/.exec(line)?.[1]
      if (found !== undefined) resolve(Number(found))
    })
    child.on('error', reject)
    child.on('close', () => reject(new Error(`the server did not start: ${last.join('\n')}`)))
  })

  const watching = watchMemory()
  const server: Soaked = {
    pid: child.pid!,
    port,
    engines: new Set(),
    enginePid,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    end,
  }
  if ((await enginePid()) === undefined) tally.broke('a server that calls itself ready has no engine')
  return server

  async function enginePid(): Promise<number | undefined> {
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(10_000) })
    const { engine } = (await answer.json()) as { engine: number | null }
    if (engine === null) return undefined
    server.engines.add(engine)
    return engine
  }

  function watchMemory(): NodeJS.Timeout {
    return setInterval(() => {
      const engine = [...server.engines].findLast(isAlive)
      const answers = [...tally.counts.values()].reduce((sum, count) => sum + count, 0)
      tally.memory.push({ answers, parent: memoryOf(child.pid!), child: engine === undefined ? undefined : memoryOf(engine) })
    }, 250)
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    clearInterval(watching)
    if (!server.isRunning()) tally.broke(`the server ended by itself; its last words: ${last.join('\n')}`)
    child.kill(signal)
    const patience = setTimeout(() => {
      tally.broke('the server did not end within 40 s of SIGTERM')
      child.kill('SIGKILL')
    }, 40_000)
    const { code } = await ended
    clearTimeout(patience)
    if (signal === 'SIGTERM' && code !== 0) tally.broke(`the server ended with exit code ${code}; its last words: ${last.join('\n')}`)
    for (const pid of await survivors(server.engines, 20_000)) {
      tally.broke(`engine child ${pid} outlived its server`)
      process.kill(pid, 'SIGKILL')
    }
    // Killed, it cannot sweep up; the next one does.
    if (signal === 'SIGKILL') return
    for (const name of await readdir(temporary)) tally.broke(`left among the temporary files: ${name}`)
  }
}
