import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { shippedModels } from './support.js'

/** The whole program as a process. */

const command = new URL('../../serve/command.js', import.meta.url).href
const program = `
  import { Command } from 'commander'
  import { addServeCommand } from '${command}'
  const program = new Command()
  addServeCommand(program)
  program.parseAsync(process.argv.slice(1), { from: 'user' }).catch(error => {
    console.error(error.code + ': ' + error.message)
    process.exitCode = 1
  })
`

export interface Run {
  child: ChildProcess
  exit: Promise<[code: number | null, signal: string | null]>
  /** Resolves with what stderr said when it matches. */
  says(pattern: RegExp): Promise<RegExpMatchArray>
  out(): string
}

/** Runs `uprez serve` with these arguments, one thread, and nothing else in its environment. */
export function run(args: string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, '--', 'serve', ...args], {
    env: { PATH: process.env.PATH, UPREZ_THREADS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  let out = ''
  child.stdout.on('data', text => {
    out += text
  })
  child.stderr.on('data', text => {
    said += text
    child.emit('said')
  })
  const exit = once(child, 'close') as Promise<[number | null, string | null]>
  const says = async (pattern: RegExp) => {
    for (;;) {
      const match = said.match(pattern)
      if (match) return match
      const over = await Promise.race([once(child, 'said').then(() => false), exit.then(() => true)])
      if (over && !pattern.test(said)) throw new Error(`ended without saying ${pattern}: ${said}`)
    }
  }
  return { child, exit, says, out: () => out }
}

/** The same with the shipped models on a free port, once it is ready. */
export const start = async (args: string[] = [], env: Record<string, string> = {}) => {
  const server = run(['--port', '0', '-m', shippedModels, '-n', 'fast-x4', ...args], env)
  const [, url, port] = await server.says(/(http:\/\/localhost:(\d+))\/ is ready/)
  return { ...server, url: url!.replace('localhost', '127.0.0.1'), port: Number(port) }
}
