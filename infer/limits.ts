import { z } from 'zod'
import { UprezError } from '../errors.js'
import { PRECISIONS, type Precision } from '../models/precision.js'
import { readSetting } from '../setting.js'
import { cpusAllowed } from './cpus.js'
import type { Limits } from './job.js'
import { memoryShare } from './memory.js'

interface Limit {
  /** Environment variable. */
  variable: string
  /** What it bounds, for `--help` and the documents. */
  about: string
  /** Where memory is short, the default is smaller: see memory.ts. */
  fallback: number
  check: z.ZodNumber
}

const wholeFromOne = z.int().min(1)

/** Every limit of the engine: name, environment variable, default and meaning. Breaking one is a documented error. */
export const LIMITS: Record<keyof Limits, Limit> = {
  maxInputPixels: {
    variable: 'UPREZ_MAX_INPUT_PIXELS',
    about: 'Largest input picture in pixels (width × height); beyond it: too-many-pixels',
    fallback: 100_000_000,
    check: wholeFromOne,
  },
  maxOutputPixels: {
    variable: 'UPREZ_MAX_OUTPUT_PIXELS',
    about:
      'Largest picture in pixels that is computed (the result, or the enlargement it is reduced from); one of 16 bits counts twice; beyond it: output-too-large',
    fallback: 250_000_000,
    check: wholeFromOne,
  },
}

/** Limits of how the engine works; not about pictures. */
export const ENGINE_SETTINGS = {
  threads: {
    variable: 'UPREZ_THREADS',
    about: 'ONNX Runtime threads; default: the CPUs this process may use',
    check: wholeFromOne.max(256),
  },
  deadlineMs: {
    variable: 'UPREZ_DEADLINE_MS',
    about:
      'Milliseconds without a sign of life from a job (or, but 30 s at least, from an engine child that starts) until the child is killed and the job tried once more; 0 = none',
    fallback: 120_000,
    check: z
      .int()
      .min(0)
      .max(2 ** 31 - 1),
  },
  modelMemory: {
    variable: 'UPREZ_MODEL_MEMORY_BYTES',
    about: 'Bytes that loaded models may take, by estimate; default: half of the memory this process may use',
    check: wholeFromOne,
  },
} as const

/**
 * The limits in force: what the caller asks for, else the environment, else the default.
 * @throws UprezError `invalid-option` naming the option or the variable
 */
export function readLimits(asked: Partial<Limits> = {}, environment: NodeJS.ProcessEnv = process.env): Limits {
  const read = (name: keyof Limits) =>
    readSetting(name, LIMITS[name], asked[name], environment) ?? Math.ceil(LIMITS[name].fallback * memoryShare())
  return { maxInputPixels: read('maxInputPixels'), maxOutputPixels: read('maxOutputPixels') }
}

/**
 * How many threads compute: what the caller asks for, else the environment, else the CPUs this process may use.
 * @throws UprezError `invalid-option` naming the option or the variable
 */
export function readThreads(asked?: number): number {
  return readSetting('threads', ENGINE_SETTINGS.threads, asked) ?? cpusAllowed()
}

/**
 * What models compute in: what the caller asks for, else what UPREZ_PRECISION says, else fp32.
 * @throws UprezError `invalid-option` naming the option or the variable
 */
export function readPrecision(asked: string | undefined, environment: NodeJS.ProcessEnv = process.env): Precision {
  const [param, value] = asked === undefined ? ['UPREZ_PRECISION', environment.UPREZ_PRECISION || 'fp32'] : ['precision', asked]
  const known = PRECISIONS.find(precision => precision === value)
  if (known !== undefined) return known
  const expected = `one of ${PRECISIONS.join(', ')}`
  throw new UprezError('invalid-option', `Expected ${expected} for ${param} but received ${value}`, { param, expected, got: value })
}
