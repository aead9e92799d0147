import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { reviveError, UprezError } from '../errors.js'
import { readSetting } from '../setting.js'
import type { FromChild } from './child.js'
import type { Measured } from './measure.js'

/** Milliseconds without a sign of life until the process that measures a model is ended; 0: never. */
export const PROBE_DEADLINE = {
  variable: 'UPREZ_PROBE_DEADLINE_MS',
  fallback: 120_000,
  check: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
}

/**
 * Measures a model's file in a process of its own.
 * @param file what it is called in messages is `name`
 * @param onStage hears what is being found out
 * @throws UprezError `timeout`, `engine-crashed` where the file makes ONNX Runtime hang or crash; what `measureModel` throws
 */
export function measureInChild(file: string, name: string, onStage: (stage: string) => void): Promise<Measured> {
  const deadlineMs = readSetting('deadlineMs', PROBE_DEADLINE, undefined) ?? PROBE_DEADLINE.fallback
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./child.js', import.meta.url)), [file], {
      serialization: 'advanced',
      // Debugger and loader flags of this process are not for the child.
      execArgv: [],
      // Standard output belongs to the command (`--json`).
      stdio: ['ignore', 2, 2, 'ipc'],
      windowsHide: true,
    })
    let stage = 'starting'
    let deadline: NodeJS.Timeout | undefined
    const watch = () => {
      clearTimeout(deadline)
      if (deadlineMs > 0) deadline = setTimeout(() => child.kill('SIGKILL'), deadlineMs)
    }
    const fail = (error: UprezError) => reject(error)
    watch()
    child.on('message', (message: FromChild) => {
      watch()
      if (message.kind === 'done') resolve(message.measured)
      else if (message.kind === 'failed') fail(named(name, reviveError(message.error)))
      else {
        stage = message.stage
        onStage(stage)
      }
    })
    child.on('error', cause => fail(new UprezError('engine-crashed', `${name} could not be measured: ${cause.message}`, { cause })))
    child.on('exit', (code, signal) => {
      clearTimeout(deadline)
      // Too late to matter where it has answered.
      const hung = child.killed
      const [error, how] = hung
        ? (['timeout', `gave no sign of life for ${deadlineMs} ms`] as const)
        : (['engine-crashed', `ended with ${signal ?? code}`] as const)
      fail(
        new UprezError(error, `${name}: ONNX Runtime ${how} while it was found out: ${stage}`, {
          param: 'file',
          got: String(signal ?? code),
        }),
      )
    })
  })
}

/** The child knows its file by another name. */
function named(name: string, { code, message, param, expected, got }: UprezError): UprezError {
  return reviveError({ code, message: `${name}: ${message}`, param, expected, got })
}
