import { closest } from 'fastest-levenshtein'
import { z } from 'zod'
import { UprezError } from '../errors.js'
import { type Depth, OUTPUT_FORMATS, type OutputFormat } from '../infer/job.js'
import { requireOneSize } from '../infer/size.js'

/** What a request may ask for; absent = the default. */
export interface UpscaleOptions {
  model?: string | undefined
  scale?: number | undefined
  width?: number | undefined
  height?: number | undefined
  longest?: number | undefined
  format?: OutputFormat | 'auto' | undefined
  quality?: number | undefined
  depth?: 'auto' | Depth | undefined
  dpi?: 'keep' | 'scale' | number | undefined
  page?: number | undefined
  tile?: number | undefined
  tta?: boolean | undefined
}

const whole = (min: number, max: number) => z.string().regex(/^\d+$/).transform(Number).pipe(z.int().min(min).max(max))

const ALIASES: Record<string, string> = { jpeg: 'jpg', tif: 'tiff' }

const pixels = () => whole(1, 65_535).describe('a whole number of pixels from 1 to 65535')

/** Each option with the words for what it expects. Whether the picture allows it, the engine says. */
export const OPTIONS = {
  model: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/)
    .describe("a model's id as GET /models lists it"),
  scale: z
    .string()
    .regex(/^\d+(\.\d+)?$/)
    .transform(Number)
    .pipe(z.number().min(0.01).max(64))
    .describe('a number from 0.01 to 64, such as 2 or 1.5'),
  width: pixels(),
  height: pixels(),
  longest: pixels(),
  format: z
    .string()
    .toLowerCase()
    .transform(name => ALIASES[name] ?? name)
    .pipe(z.enum(['auto', ...OUTPUT_FORMATS]))
    .describe(`one of auto, ${OUTPUT_FORMATS.join(', ')}`),
  quality: whole(1, 100).describe('a whole number from 1 to 100'),
  depth: z
    .enum(['auto', '8', '16'])
    .transform(text => (text === 'auto' ? text : Number(text)))
    .pipe(z.literal(['auto', 8, 16]))
    .describe('auto, 8 or 16'),
  dpi: z
    .string()
    .regex(/^(keep|scale|\d+)$/)
    .transform(text => (text === 'keep' || text === 'scale' ? text : Number(text)))
    .pipe(z.union([z.enum(['keep', 'scale']), z.int().min(1).max(65_535)]))
    .describe('keep, scale or a whole number from 1 to 65535'),
  page: whole(1, 65_535).describe('a whole number from 1 to 65535'),
  tile: whole(0, 65_535).describe('a whole number of input pixels from 0 to 65535 (0: chosen by the server)'),
  tta: z
    .enum(['true', 'false'])
    .transform(text => text === 'true')
    .pipe(z.boolean())
    .describe('true or false'),
}

const NAMES = Object.keys(OPTIONS)

/** A query or a form as Express and multer parse them: each value a string, or an array where a name came more than once. */
export type Fields = Record<string, unknown>

/**
 * Reads the options of a request from its query and its form, which count alike.
 * @throws UprezError `unknown-option` with the nearest name; `invalid-option` for a value that will not do
 *   and for two values that contradict each other
 */
export function parseOptions(...sources: Fields[]): UpscaleOptions {
  const options: Record<string, unknown> = {}
  for (const [name, values] of gather(sources)) {
    if (!isOption(name)) throw unknownOption(name)
    const [value, other] = [...values]
    if (other !== undefined) throw contradiction(name, value!, other)
    const result = OPTIONS[name].safeParse(value)
    if (!result.success) throw invalidOption(name, OPTIONS[name].description!, value!)
    options[name] = result.data
  }
  requireOneSize(options)
  return options
}

/** Refuses a field that nothing is known about, naming the one that may have been meant. */
export function unknownOption(name: string, known: readonly string[] = NAMES): UprezError {
  const got = shorten(name)
  const message = `Expected one of ${known.join(', ')} but received ${got}. Did you mean ${closest(name.toLowerCase(), known)}?`
  return new UprezError('unknown-option', message, { param: got, expected: `one of ${known.join(', ')}`, got })
}

export function invalidOption(param: string, expected: string, value: string): UprezError {
  const got = shorten(value)
  return new UprezError('invalid-option', `Expected ${expected} for ${param} but received ${got === '' ? 'nothing' : got}`, {
    param,
    expected,
    got,
  })
}

function contradiction(param: string, first: string, second: string): UprezError {
  const got = `${shorten(first)} and ${shorten(second)}`
  return new UprezError('invalid-option', `Expected one value for ${param} but received ${got}`, { param, expected: 'one value', got })
}

/** The different values of every name over all sources. */
function gather(sources: Fields[]): Map<string, Set<string>> {
  const all = new Map<string, Set<string>>()
  for (const [name, value] of sources.flatMap(source => Object.entries(source))) {
    const values = all.get(name) ?? new Set()
    for (const text of [value].flat()) values.add(String(text))
    all.set(name, values)
  }
  return all
}

const isOption = (name: string): name is keyof typeof OPTIONS => Object.hasOwn(OPTIONS, name)

const shorten = (text: string): string => (text.length <= 60 ? text : `${text.slice(0, 57)}...`)
