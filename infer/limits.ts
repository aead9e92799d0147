import { z } from 'zod'
import { UprezError } from '../errors.js'
import type { Limits } from './engine.js'

interface Limit {
  /** Environment variable. */
  variable: string
  /** What it bounds, for `--help` and the documents. */
  about: string
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
    about: 'Largest picture in pixels that is computed (the result, or the enlargement it is reduced from); beyond it: output-too-large',
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
    about: 'Milliseconds without a sign of life from a job until the engine child is killed and the job tried once more; 0 = none',
    fallback: 120_000,
    check: z
      .int()
      .min(0)
      .max(2 ** 31 - 1),
  },
} as const

/**
 * The limits in force: what the caller asks for, else the environment, else the default.
 * @throws UprezError `invalid-option` naming the option or the variable
 */
export function readLimits(asked: Partial<Limits> = {}, environment: NodeJS.ProcessEnv = process.env): Limits {
  const read = (name: keyof Limits) => readSetting(name, LIMITS[name], asked[name], environment) ?? LIMITS[name].fallback
  return { maxInputPixels: read('maxInputPixels'), maxOutputPixels: read('maxOutputPixels') }
}

/**
 * One number: what the caller asks for, else what its environment variable says, else undefined.
 * @throws UprezError `invalid-option` naming the option or the variable
 */
export function readSetting(
  name: string,
  setting: { variable: string; check: z.ZodNumber },
  asked: number | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): number | undefined {
  const text = environment[setting.variable]
  if (asked !== undefined) return checked(name, setting.check, asked, asked)
  if (text === undefined || text.trim() === '') return undefined
  return checked(setting.variable, setting.check, Number(text), text)
}

function checked(param: string, check: z.ZodNumber, value: number, got: unknown): number {
  const result = check.safeParse(value)
  if (result.success) return result.data
  const { minValue, maxValue } = check
  const end = maxValue !== null && maxValue < Number.MAX_SAFE_INTEGER ? ` to ${maxValue}` : ' or more'
  const expected = `a whole number, ${minValue}${end}`
  throw new UprezError('invalid-option', `Expected ${expected} for ${param} but received ${String(got)}`, {
    param,
    expected,
    got: String(got),
  })
}
