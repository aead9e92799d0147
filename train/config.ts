import { closest } from 'fastest-levenshtein'
import { z } from 'zod'
import { UprezError } from '../errors.js'
import { ENGINES } from '../nets/engine.js'
import { PRESETS } from './presets.js'

/**
 * Every option of a training run, its bounds and its default. A preset holds only what differs from here,
 * `--set a.b=value` only what differs from the preset. A misspelt option fails.
 */
const configSchema = z.strictObject({
  preset: z.string(),
  scale: z.int().min(1).max(4).default(4),
  seed: z.int().nonnegative().default(0),
  engine: z.enum(ENGINES).optional().describe('default: tensorflow where it is set up, else wasm'),
  network: z
    .strictObject({
      kind: z.literal('fast').default('fast'),
      colours: z.literal(3).default(3),
      channels: z.int().min(1).max(512).default(32),
      blocks: z.int().min(0).max(64).default(11),
      slope: z.number().min(0).max(1).default(0.1),
      expansion: z.int().min(0).max(1024).default(64),
    })
    .prefault({}),
  data: z
    .strictObject({
      folders: z.array(z.string()).default([]),
      patch: z.int().min(4).max(512).default(48).describe('side of the low-resolution patch'),
      batch: z.int().min(1).max(256).default(16),
      validation: z.int().min(0).default(12).describe('images kept out of training for validation'),
      cacheMb: z.int().min(0).default(2048).describe('decoded images kept in memory'),
      source: z.string().default('not stated').describe('where the images come from, for the card'),
      licence: z.string().default('not stated').describe('licence of the images, for the card'),
    })
    .prefault({}),
  losses: z
    .strictObject({
      pixel: z
        .strictObject({
          weight: z.number().nonnegative().default(1),
          luma: z.number().nonnegative().default(0).describe('weight of the same loss on luma, beside R, G and B'),
          l2From: z.number().min(0).max(1).default(1).describe('fraction of the steps after which L1 becomes L2'),
        })
        .prefault({}),
    })
    .prefault({}),
  optimizer: z
    .strictObject({
      learningRate: z.number().positive().default(1e-3),
      beta1: z.number().min(0).max(1).default(0.9),
      beta2: z.number().min(0).max(1).default(0.999),
      epsilon: z.number().positive().default(1e-8),
    })
    .prefault({}),
  schedule: z
    .strictObject({
      steps: z.int().positive().default(20_000),
      warmup: z.int().nonnegative().default(500).describe('steps over which the learning rate rises from 0'),
      minimum: z.number().nonnegative().default(1e-6).describe('learning rate at the end of the cosine'),
    })
    .prefault({}),
  ema: z.number().min(0).max(1).default(0.999).describe('decay of the averaged weights that are validated and exported'),
  every: z
    .strictObject({
      log: z.int().positive().default(50),
      validate: z.int().positive().default(1000),
      checkpoint: z.int().positive().default(500),
    })
    .prefault({}),
})

export type Config = z.infer<typeof configSchema>

/**
 * Resolves preset, files and overrides into one configuration.
 * @param overrides `a.b=value` pairs; the value is read as JSON, else as text
 * @throws UprezError `unknown-option`, naming the nearest option, or `invalid-option`
 */
export function resolveConfig(preset: string, overrides: Record<string, unknown>): Config {
  const base = PRESETS[preset]
  if (!base) {
    throw new UprezError('invalid-option', `unknown preset ${preset}; did you mean ${closest(preset, Object.keys(PRESETS))}?`, {
      param: 'preset',
      expected: Object.keys(PRESETS).join(', '),
      got: preset,
    })
  }
  return override({ preset, ...base }, overrides)
}

/** The configuration with some options set to other values; as `resolveConfig`. */
export function override(config: Record<string, unknown>, overrides: Record<string, unknown>): Config {
  const input = structuredClone(config)
  for (const [path, value] of Object.entries(overrides)) {
    refuseUnknown(path)
    setPath(input, path.split('.'), value)
  }
  return parseConfig(input)
}

/** A name is an option, or a group of options whose value is an object. */
function refuseUnknown(path: string): void {
  const names = optionNames()
  if (!names.some(name => name === path || name.startsWith(`${path}.`))) throw unknownOption(path)
}

function unknownOption(name: string): UprezError {
  return new UprezError('unknown-option', `unknown option ${name}; did you mean ${closest(name, optionNames())}?`, {
    param: name,
    expected: 'an option of `uprez train --print-config`',
  })
}

export function parseConfig(input: unknown): Config {
  const result = configSchema.safeParse(input)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const path = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') throw unknownOption([...issue.path, issue.keys[0]!].join('.'))
  throw new UprezError('invalid-option', `${path}: ${issue.message}`, {
    param: path,
    expected: issue.message,
    got: String(valueAt(input, issue.path)),
  })
}

/** Reads `a.b=value`. */
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

/** What differs between the configuration and its preset: for the card. */
export function overridesOf(config: Config): Record<string, unknown> {
  const base = flatten(resolveConfig(config.preset, {}))
  const mine = flatten(config)
  const hidden = new Set(['data.folders', 'data.source', 'data.licence', 'seed', 'engine', 'data.cacheMb'])
  return Object.fromEntries(
    Object.entries(mine).filter(([name, value]) => !hidden.has(name) && JSON.stringify(value) !== JSON.stringify(base[name])),
  )
}

/** The options in which two configurations differ: name, and both values as JSON. */
export function differences(a: Config, b: Config): [name: string, before: string, now: string][] {
  const [left, right] = [flatten(a), flatten(b)]
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])]
  return names
    .map((name): [string, string, string] => [name, JSON.stringify(left[name]), JSON.stringify(right[name])])
    .filter(([, before, now]) => before !== now)
}

/** Every option by its full name; `preset` is no option but what the options start from. */
function optionNames(): string[] {
  return Object.keys(flatten(parseConfig({ preset: '', engine: 'wasm' }))).filter(name => name !== 'preset')
}

function valueAt(input: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], input)
}

function flatten(value: object, prefix = ''): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      inner !== null && typeof inner === 'object' && !Array.isArray(inner)
        ? Object.entries(flatten(inner, `${prefix}${key}.`))
        : [[prefix + key, inner] as const],
    ),
  )
}

function setPath(target: Record<string, unknown>, [head, ...rest]: string[], value: unknown): void {
  if (rest.length === 0) target[head!] = value
  else {
    const inner = target[head!] ?? {}
    if (typeof inner !== 'object')
      throw new UprezError('invalid-option', `${head} was given a value and options inside it`, { param: head! })
    target[head!] = inner
    setPath(inner as Record<string, unknown>, rest, value)
  }
}
