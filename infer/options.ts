import { closest } from 'fastest-levenshtein'
import { z } from 'zod'
import { UprezError } from '../errors.js'
import { PRECISIONS } from '../models/precision.js'
import { OUTPUT_FORMATS } from './job.js'

/** What one call may ask for. Fields that are not here are refused. */
const upscaleOptions = z
  .strictObject({
    scale: z.number().positive().max(64),
    width: z.int().positive(),
    height: z.int().positive(),
    longest: z.int().positive(),
    format: z.enum(['auto', ...OUTPUT_FORMATS]),
    quality: z.int().min(1).max(100),
    depth: z.literal(['auto', 8, 16]),
    dpi: z.union([z.enum(['keep', 'scale']), z.int().min(1).max(65_535)], 'expected "keep", "scale" or a whole number from 1 to 65535'),
    page: z.int().min(1).max(65_535),
    tile: z.int().min(0),
    tta: z.boolean(),
    output: z.string().min(1),
    onProgress: z.custom<(progress: { done: number; total: number }) => void>(isFunction, 'expected a function'),
    signal: z.custom<AbortSignal>(value => value instanceof AbortSignal, 'expected an AbortSignal'),
  })
  .partial()

const upscalerOptions = z
  .strictObject({
    model: z.string().min(1),
    modelPath: z.string().min(1),
    threads: z.int().min(1).max(256),
    deadlineMs: z.int().min(0),
    precision: z.enum(PRECISIONS),
    provider: z.string(),
    maxInputPixels: z.int().min(1),
    maxOutputPixels: z.int().min(1),
  })
  .partial()

type Checked<S extends z.ZodType> = z.output<S>

/** @throws UprezError `unknown-option` with the nearest name, `invalid-option` */
export const checkUpscaleOptions = (options: unknown): Checked<typeof upscaleOptions> => check(upscaleOptions, options)

/** @throws UprezError `unknown-option` with the nearest name, `invalid-option` */
export const checkUpscalerOptions = (options: unknown): Checked<typeof upscalerOptions> => check(upscalerOptions, options)

function check<S extends z.ZodObject>(schema: S, options: unknown): Checked<S> {
  const result = schema.safeParse(withoutUndefined(options))
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  if (issue.code === 'unrecognized_keys') throw unknownOption(issue.keys[0]!, Object.keys(schema.shape))
  const param = issue.path.join('.') || 'options'
  const value = issue.path.length === 0 ? options : (options as Record<string, unknown>)[param]
  const got = typeof value === 'string' ? JSON.stringify(value) : String(value)
  const expected = issue.message.replace(/^Invalid (input|option): expected /, '').replace(/^expected /, '')
  throw new UprezError('invalid-option', `Expected ${expected} for ${param} but received ${got}`, { param, expected, got })
}

function unknownOption(name: string, known: string[]): UprezError {
  const nearest = closest(name, known)
  const expected = `one of ${known.join(', ')}`
  return new UprezError('unknown-option', `Unknown option ${name}. Did you mean ${nearest}? Expected ${expected}`, {
    param: name,
    expected,
    got: name,
  })
}

/** An option given as undefined was not given. */
function withoutUndefined(options: unknown): unknown {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return options
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}
