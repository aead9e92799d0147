import type { z } from 'zod'
import { UprezError } from './errors.js'

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
