import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { libraryPath } from '../wheels.js'
import type { Execution, Sample } from './providers.js'

/** What one tile of a model on a provider shows. Times are of one run, once it is warm. */
export type Proof = { works: true; milliseconds: number; cpuMilliseconds: number } | { works: false; reason: string }

/** What the child is told. */
export interface ToProve {
  execution: Execution
  device: number
  sample: Sample
  /** How the names of ONNX Runtime's profiles begin. */
  profile: string
}

/** A first run on CUDA may compile for minutes on a card that its makers did not know. */
const PATIENCE_MS = 120_000

/** Runs a tile in a child process: a crash or a hang in a driver is only an answer. */
export async function proveProvider(execution: Execution, device: number, sample: Sample, patienceMs = PATIENCE_MS): Promise<Proof> {
  const folder = await mkdtemp(join(tmpdir(), 'uprez-probe-'))
  try {
    return await ask({ execution, device, sample, profile: join(folder, 'profile') }, patienceMs)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function ask(question: ToProve, patienceMs: number): Promise<Proof> {
  return new Promise(resolve => {
    const child = fork(fileURLToPath(new URL('./provider-probe.js', import.meta.url)), [JSON.stringify(question)], {
      execArgv: [],
      env: { ...process.env, ...libraryPath(question.execution.runtime?.libraries ?? []) },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      windowsHide: true,
    })
    let said = ''
    let proof: Proof | undefined
    const end = (answer: Proof) => {
      proof ??= answer
      child.kill('SIGKILL')
    }
    const patience = setTimeout(() => end({ works: false, reason: `no answer within ${patienceMs / 1000} s` }), patienceMs)
    // The reason of a missing library goes to the native standard error only.
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-65_536)
    })
    child.on('message', (answer: Proof) => end(answer))
    child.on('error', cause => end({ works: false, reason: cause.message }))
    child.on('close', (code, signal) => {
      clearTimeout(patience)
      const answer = proof ?? { works: false, reason: `it ended with ${signal ?? `exit code ${code}`}` }
      resolve(answer.works ? answer : { works: false, reason: toldReason(answer.reason, said) })
    })
  })
}

/**
 * The heart of what was said: the dynamic linker's words, CUDA's, or the message without where in its source ONNX Runtime gave up.
 * Without the folders of this machine, since strangers may read it.
 */
function toldReason(message: string, said: string): string {
  const linker = [...said.matchAll(/Failed to load library .*? with error: (.*)/g)].at(-1)?.[1]
  const cuda = /CUDA failure \d+: [^;\n]+/.exec(message)?.[0]
  return (linker ?? cuda ?? message.replace(/^.* was false\. /, ''))
    .split('\n')[0]!
    .replace(/(?:\/[^\s/:]+)+\//g, '')
    .trim()
}
