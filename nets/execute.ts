import { spawn } from 'node:child_process'

/** Runs a program to its end. @returns its exit code (127: it could not be started) and what it said on both streams */
export function execute(command: string, args: string[]): Promise<{ code: number; output: string }> {
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', chunk => {
      output += chunk
    })
    child.stderr.on('data', chunk => {
      output += chunk
    })
    child.on('error', error => resolve({ code: 127, output: error.message }))
    child.on('close', (code, signal) => resolve({ code: code ?? 1, output: signal ? `${output}\nended by ${signal}` : output }))
  })
}
