import { readFile } from 'node:fs/promises'
import { closest } from 'fastest-levenshtein'
import { z } from 'zod'
import { UprezError } from '../errors.js'
import { criticSchema } from '../nets/critic.js'
import { ENGINES } from '../nets/engine.js'
import { generatorSchema } from '../nets/generator.js'
import { dataSchema } from './data-options.js'
import { degradationSchema } from './degradations/index.js'
import { bestSchema, everySchema, keepSchema, optimizerSchema, scheduleSchema } from './loop-options.js'
import { lossesSchema } from './losses/options.js'
import { listKinds, listOptions, type Option } from './options.js'
import { PRESETS } from './presets.js'

/** The preset of a configuration that comes from an option file alone. */
export const NO_PRESET = 'none'

export const RECIPES = ['pixel', 'srgan', 'esrgan', 'wgan-gp'] as const

const DEFAULT_KINDS = { network: { kind: 'fast' }, degradation: { kind: 'bicubic' } } as const

/** A generator of the user's own: `--network ./my-net.mjs`. */
const moduleSchema = z.strictObject({
  kind: z.literal('module'),
  path: z.string().min(1).describe('ES module whose default export makes the network: ({tf, scale, seed, layers}) => LayersModel'),
})

/**
 * Every option of a training run, its bounds and its default. A preset holds only what differs from here, an option
 * file only what differs from the preset, `--set a.b=value` only what differs from both. A misspelt option fails.
 */
const configSchema = z.strictObject({
  preset: z.string(),
  recipe: z.enum(RECIPES).default('pixel').describe('how the networks are trained; see docs/training.md'),
  scale: z.int().min(1).max(4).default(4).describe('how many times larger the output is; 1: restoration'),
  seed: z.int().nonnegative().default(0).describe('of starting weights, samples and degradations'),
  engine: z.enum(ENGINES).optional().describe('default: the fastest that works here'),
  from: z.string().optional().describe('model or run whose weights the generator begins with'),
  fromCritic: z.string().optional().describe('run whose weights the critic begins with'),
  network: z
    .discriminatedUnion('kind', [...generatorSchema.options, moduleSchema])
    .prefault(DEFAULT_KINDS.network)
    .describe('the generator'),
  critic: criticSchema.optional().describe('the second network of an adversarial recipe'),
  data: dataSchema.prefault({}),
  degradation: degradationSchema.prefault(DEFAULT_KINDS.degradation).describe('how the low-resolution side is made'),
  losses: lossesSchema.prefault({}),
  optimizer: optimizerSchema.prefault({}),
  schedule: scheduleSchema.prefault({}),
  ema: z.number().min(0).max(1).default(0.999).describe('decay of the averaged weights that are validated and exported'),
  every: everySchema.prefault({}),
  best: bestSchema.prefault({}),
  keep: keepSchema,
})

export type Config = z.infer<typeof configSchema>

/**
 * Resolves preset, option file and overrides into one configuration.
 * @param preset a name of `PRESETS`, or `NO_PRESET`
 * @param overrides options by full name, or whole groups, with their values: an option file's and `--set`'s; null: the default, not
 * what the preset says
 * @throws UprezError `unknown-option`, naming the nearest option, or `invalid-option`
 */
export function resolveConfig(preset: string, overrides: Record<string, unknown>): Config {
  const base = preset === NO_PRESET ? {} : PRESETS[preset]
  if (!base) {
    const known = Object.keys(PRESETS)
    throw new UprezError('invalid-option', `unknown preset ${preset}; did you mean ${closest(preset, known)}?`, {
      param: 'preset',
      expected: known.join(', '),
      got: preset,
    })
  }
  const config = override({ preset, ...base }, overrides)
  if (preset === NO_PRESET) return config
  const scale = parseConfig({ preset, ...base }).scale
  if (config.scale === scale) return config
  throw new UprezError(
    'invalid-option',
    `the preset ${preset} is for scale ${scale}: copy it with --print-config into an option file, and give that with --preset none`,
    {
      param: 'scale',
      expected: String(scale),
      got: String(config.scale),
    },
  )
}

/** The configuration with some options set to other values; as `resolveConfig`. */
export function override(config: Record<string, unknown>, overrides: Record<string, unknown>): Config {
  let input = config
  // Whole groups first; then kinds, which clear their group; then what is set inside.
  const rank = (path: string) => (path.includes('.') ? (path.endsWith('.kind') ? 1 : 2) : 0)
  for (const [path, value] of Object.entries(overrides).sort(([a], [b]) => rank(a) - rank(b))) {
    refuseUnknown(path)
    input = merge(input, nested(path, value))
  }
  return parseConfig(withoutNulls(input))
}

/** Overrides of several places as one, the later over the earlier, option by option inside of groups. */
export function joinOverrides(places: Record<string, unknown>[]): Record<string, unknown> {
  return places.reduce(merge, {})
}

export function parseConfig(given: unknown): Config {
  const input = isGroup(given) ? withKinds(given) : given
  const result = configSchema.safeParse(input)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const path = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const group = valueAt(input, issue.path.slice(0, 1)) as { kind?: string } | undefined
    throw unknownOption([...issue.path, issue.keys[0]!].join('.'), group?.kind)
  }
  const kinds = KINDS.get(String(issue.path[0]))
  const expected = issue.code === 'invalid_union' && kinds ? `one of ${kinds.join(', ')}` : issue.message
  throw new UprezError('invalid-option', `${path}: ${expected}`, { param: path, expected, got: String(valueAt(input, issue.path)) })
}

/**
 * Reads an option file: JSON, nested like the output of `--print-config`; it may name its preset.
 * @returns the preset, and what the file sets as overrides
 * @throws UprezError `no-input` where it cannot be read, `invalid-option` where it is no JSON object
 */
export async function readOptionFile(path: string): Promise<{ preset: string | undefined; overrides: Record<string, unknown> }> {
  const text = await readFile(path, 'utf8').catch(cause => {
    throw new UprezError('no-input', `the option file ${path} cannot be read`, {
      param: '--opt',
      expected: 'a JSON file',
      got: path,
      cause,
    })
  })
  try {
    const { preset, ...overrides } = z.looseObject({ preset: z.string().optional() }).parse(JSON.parse(text))
    return { preset, overrides }
  } catch (cause) {
    const reason = cause instanceof SyntaxError ? cause.message : 'it is no object, or its preset is no text'
    throw new UprezError('invalid-option', `the option file ${path} is no JSON object: ${reason}`, { param: '--opt', got: path, cause })
  }
}

/** Reads `a.b=value`; the value is JSON, else text. */
export function parseOverride(text: string): [string, unknown] {
  const at = text.indexOf('=')
  if (at < 1) {
    throw new UprezError('invalid-option', `--set takes name=value, for example schedule.steps=1000, not ${text}`, {
      param: '--set',
      got: text,
    })
  }
  const raw = text.slice(at + 1)
  try {
    return [text.slice(0, at), JSON.parse(raw)]
  } catch {
    return [text.slice(0, at), raw]
  }
}

/** Options of the place where a run happens, not of what it computes: they stay off the card. */
const LOCAL = new Set([
  ...['data.folders', 'data.pairs', 'data.source', 'data.licence', 'data.cacheMb', 'data.workers'],
  ...['seed', 'engine', 'from', 'fromCritic', 'keep', 'network.path', 'losses.feature.file', 'losses.module.path'],
])

/** What differs between the configuration and its preset: for the card. null: what the preset has and this has not. */
export function overridesOf(config: Config): Record<string, unknown> {
  const preset = resolveConfig(config.preset, {})
  const base = flatten(preset)
  const others = Object.entries(flatten(config)).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(base[name]))
  const gone = Object.keys(preset).flatMap(name => (name in config ? [] : [[name, null] as const]))
  return Object.fromEntries([...others, ...gone].filter(([name]) => !LOCAL.has(name)))
}

/** The options in which two configurations differ: name, and both values as JSON. */
export function differences(a: Config, b: Config): [name: string, before: string, now: string][] {
  const [left, right] = [flatten(a), flatten(b)]
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])]
  return names
    .map((name): [string, string, string] => [name, JSON.stringify(left[name]), JSON.stringify(right[name])])
    .filter(([, before, now]) => before !== now)
}

/** Every option there is; `preset` is none, but what the options start from. */
export function allOptions(): Option[] {
  return listOptions(configSchema).filter(({ name }) => name !== 'preset')
}

const KINDS = listKinds(configSchema)
const OPTIONS = allOptions()
/** Options whose value is a table of names of the user's choice. */
const TABLES = OPTIONS.flatMap(({ name, type }) => (type.startsWith('name: ') ? [name] : []))

/** A name is an option, or a group of options whose value is an object, or an entry of a table. */
function refuseUnknown(path: string): void {
  const known = OPTIONS.some(({ name }) => name === path || name.startsWith(`${path}.`)) || TABLES.some(name => path.startsWith(`${name}.`))
  if (!known) throw unknownOption(path)
}

/** @param kind of the option's group, where that is one of several kinds */
function unknownOption(name: string, kind?: string): UprezError {
  const [group] = name.split('.')
  const known = kind ? OPTIONS.filter(option => option.name.startsWith(`${group}.`) && (option.kind ?? kind) === kind) : OPTIONS
  // Groups may be misspelt too.
  const names = known.flatMap(option => option.name.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.')))
  const where = kind ? ` of ${group}.kind = ${kind}` : ''
  return new UprezError('unknown-option', `unknown option ${name}${where}; did you mean ${closest(name, names)}?`, {
    param: name,
    expected: 'an option of `uprez train --options`',
  })
}

/** `more` over `base`: groups are merged, values and lists replaced; a group of another kind begins empty. */
function merge(base: Record<string, unknown>, more: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...base }
  for (const [name, value] of Object.entries(more)) {
    const before = base[name]
    if (isGroup(value) && before !== undefined && before !== null && !isGroup(before)) {
      throw new UprezError('invalid-option', `${name} was given a value and options inside it`, { param: name, got: String(before) })
    }
    const another = KINDS.has(name) && isGroup(value) && 'kind' in value && value.kind !== kindIn(name, before)
    merged[name] = isGroup(value) && isGroup(before) && !another ? merge(before, value) : value
  }
  return merged
}

function kindIn(group: string, value: unknown): unknown {
  return (value as { kind?: unknown } | undefined)?.kind ?? (DEFAULT_KINDS as Record<string, { kind: string }>)[group]?.kind
}

/** What is set to null is as if nobody had named it. */
function withoutNulls(group: Record<string, unknown>): Record<string, unknown> {
  const named = Object.entries(group).filter(([, value]) => value !== null)
  return Object.fromEntries(named.map(([name, value]) => [name, isGroup(value) ? withoutNulls(value) : value]))
}

/** A group that does not say its kind is of the default one. */
function withKinds(input: Record<string, unknown>): Record<string, unknown> {
  const groups = Object.entries(DEFAULT_KINDS).filter(([name]) => isGroup(input[name]))
  return { ...input, ...Object.fromEntries(groups.map(([name, kind]) => [name, { ...kind, ...(input[name] as object) }])) }
}

/** `a.b.c` and a value → `{a: {b: {c: value}}}`; in a table, all that follows its name is one name. */
function nested(path: string, value: unknown): Record<string, unknown> {
  const table = TABLES.find(name => path.startsWith(`${name}.`))
  const names = table ? [...table.split('.'), path.slice(table.length + 1)] : path.split('.')
  return names.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as Record<string, unknown>
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function valueAt(input: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], input)
}

function flatten(value: object, prefix = ''): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      isGroup(inner) ? Object.entries(flatten(inner, `${prefix}${key}.`)) : [[prefix + key, inner] as const],
    ),
  )
}
