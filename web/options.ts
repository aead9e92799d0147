import { closest } from 'fastest-levenshtein'
import { UprezError } from '../errors.js'

/** Checks for values that arrive from plain JavaScript, where the compiler does not help. */

/** @throws UprezError `unknown-option`, with the nearest known name; `invalid-option` where the options are no object */
export function refuseUnknown(given: unknown, known: readonly string[]): void {
  if (typeof given !== 'object' || given === null) throw invalid('options', 'an object', given)
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue
    throw new UprezError('unknown-option', `Unknown option '${name}'. Did you mean '${closest(name, known)}'?`, {
      param: name,
      expected: `one of ${known.join(', ')}`,
      got: name,
    })
  }
}

/** @throws UprezError `invalid-option` unless the value is undefined or one of the choices */
export function checkChoice(param: string, value: unknown, choices: readonly string[]): void {
  if (value === undefined || (typeof value === 'string' && choices.includes(value))) return
  const hint = typeof value === 'string' && value !== '' ? ` Did you mean '${closest(value, choices)}'?` : ''
  throw invalid(param, `one of ${choices.join(', ')}`, value, hint)
}

/** @throws UprezError `invalid-option` unless the value is undefined or an integer from `low` to `high` */
export function checkInteger(param: string, value: unknown, low: number, high: number): void {
  if (value === undefined || (Number.isInteger(value) && (value as number) >= low && (value as number) <= high)) return
  throw invalid(param, `an integer from ${low} to ${high}`, value)
}

/** @throws UprezError `invalid-option` unless the value is undefined or a number above 0 and at most `high` */
export function checkPositive(param: string, value: unknown, high: number): void {
  if (value === undefined || (typeof value === 'number' && value > 0 && value <= high)) return
  throw invalid(param, `a number above 0, at most ${high}`, value)
}

/** @throws UprezError `invalid-option` unless the value is undefined or right */
export function checkKind(param: string, value: unknown, right: boolean, expected: string): void {
  if (value !== undefined && !right) throw invalid(param, expected, value)
}

export function invalid(param: string, expected: string, value: unknown, hint = ''): UprezError {
  const got = typeof value === 'string' ? `'${value.slice(0, 60)}'` : describe(value)
  return new UprezError('invalid-option', `Expected ${expected} for '${param}' but received ${got}.${hint}`, { param, expected, got })
}

function describe(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined) return String(value)
  return typeof value === 'object' ? (value.constructor?.name ?? 'an object') : typeof value
}
