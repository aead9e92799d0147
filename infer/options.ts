import { closest } from 'fastest-levenshtein'
import { z } from 'zod'
import { UprezError } from '../errors.js'
import { PRECISIONS } from '../models/precision.js'
import { OUTPUT_FORMATS } from './job.js'

const pixels = () => z.int().positive().describe('a whole number of pixels from 1')

/** What one call may ask for, each with the words for what it expects. Fields that are not here are refused. */
const upscaleOptions = z
  .strictObject({
    scale: z.number().positive().max(64).describe('a number above 0 and at most 64'),
    width: pixels(),
    height: pixels(),
    longest: pixels(),
    format: z.enum(['auto', ...OUTPUT_FORMATS]).describe(`one of auto, ${OUTPUT_FORMATS.join(', ')}`),
    quality: z.int().min(1).max(100).describe('a whole number from 1 to 100'),
    depth: z.literal(['auto', 8, 16]).describe('"auto", 8 or 16'),
    dpi: z.union([z.enum(['keep', 'scale']), z.int().min(1).max(65_535)]).describe('"keep", "scale" or a whole number from 1 to 65535'),
    page: z.int().min(1).max(65_535).describe('a whole number from 1 to 65535'),
    tile: z.int().min(0).describe('a whole number of input pixels from 0 (0: chosen for you)'),
    tta: z.boolean().describe('true or false'),
    output: z.string().min(1).describe('the path of a file'),
    onProgress: z.custom<(progress: { done: number; total: number }) => void>(isFunction).describe('a function'),
    signal: z.custom<AbortSignal>(value => value instanceof AbortSignal).describe('an AbortSignal'),
  })
  .partial()

const upscalerOptions = z
  .strictObject({
    model: z.string().min(1).describe('the name or the path of a model'),
    modelPath: z.string().min(1).describe('the path of a model or of a folder of models'),
    threads: z.int().min(1).max(256).describe('a whole number from 1 to 256'),
    deadlineMs: z.int().min(0).describe('a whole number of milliseconds from 0 (0: none)'),
    precision: z.enum(PRECISIONS).describe(`one of ${PRECISIONS.join(', ')}`),
    provider: z.string().describe('the name of a provider'),
    maxInputPixels: pixels(),
    maxOutputPixels: pixels(),
  })
  .partial()

type Checked<S extends z.ZodType> = z.output<S>

/** @throws UprezError `unknown-option` with the nearest name, `invalid-option` */
export const checkUpscaleOptions = (options: unknown): Checked<typeof upscaleOptions> => check(upscaleOptions, options)

/** @throws UprezError `unknown-option` with the nearest name, `invalid-option` */
export const checkUpscalerOptions = (options: unknown): Checked<typeof upscalerOptions> => check(upscalerOptions, options)

function check<S extends z.ZodObject<Record<string, z.ZodOptional>>>(schema: S, options: unknown): Checked<S> {
  const result = schema.safeParse(withoutUndefined(options))
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  if (issue.code === 'unrecognized_keys') throw unknownOption(issue.keys[0]!, Object.keys(schema.shape))
  const param = String(issue.path[0] ?? 'options')
  const field = schema.shape[param]?.unwrap() as z.ZodType | undefined
  const expected = field?.description ?? 'an object'
  const value = field === undefined ? options : (options as Record<string, unknown>)[param]
  const got = typeof value === 'string' ? JSON.stringify(value) : String(value)
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
