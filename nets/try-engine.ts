import { fileURLToPath } from 'node:url'
import { execute } from '../execute.js'
import type { EngineName } from './engine.js'
import type { NativeVariant } from './native.js'

/** What one convolution on an engine shows. */
export interface Trial {
  /** Why it does not work; undefined: it does. */
  trouble: string | undefined
  /** What computed: CPU, GPU, or a graphics adapter by its name. */
  device: string
}

/**
 * Runs one convolution in a child process: a native crash is only an answer.
 * @param variant as `useEngine` takes it
 */
export async function tryEngine(engine: EngineName, variant?: NativeVariant): Promise<Trial> {
  const probe = fileURLToPath(new URL('./probe.js', import.meta.url))
  const { code, output } = await execute(process.execPath, [probe, engine, ...(variant ? [variant] : [])])
  const said = output.trim().split('\n')
  const trouble = /UprezError: (.*)/.exec(output)?.[1] ?? (said.slice(-3).join(' ') || `the probe ended with ${code}`)
  return code === 0 ? { trouble: undefined, device: said.at(-1)! } : { trouble, device: 'none' }
}
