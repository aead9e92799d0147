import { spawn } from 'node:child_process'

/** Runs a program to its end. @returns its exit code (127: it could not be started), what it said on standard output, and on both streams */
export function execute(
  command: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ code: number; stdout: string; output: string }> {
  return new Promise(resolve => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, output] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      output += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    child.on('error', error => resolve({ code: 127, stdout, output: error.message }))
    child.on('close', (code, signal) => resolve({ code: code ?? 1, stdout, output: signal ? `${output}\nended by ${signal}` : output }))
  })
}
