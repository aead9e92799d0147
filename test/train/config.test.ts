import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { type Config, differences, overridesOf, parseConfig, parseOverride, resolveConfig } from '../../train/config.js'
import { PRESETS } from '../../train/presets.js'
import { learningRateAt } from '../../train/schedule.js'

test('every preset is valid and survives being written down', () => {
  for (const preset of Object.keys(PRESETS)) {
    const config = resolveConfig(preset, {})
    assert.deepEqual(parseConfig(JSON.parse(JSON.stringify(config))), config)
    assert.deepEqual(overridesOf(config), {})
  }
})

test('an override changes one option and leaves its neighbours and the preset alone', () => {
  const before = resolveConfig('tiny', {})
  const config = resolveConfig(
    'tiny',
    Object.fromEntries(['schedule.steps=5', 'losses.pixel.luma=0.5', 'data.folders=["a","b"]'].map(parseOverride)),
  )
  assert.deepEqual(
    differences(before, config).map(([name]) => name),
    ['data.folders', 'losses.pixel.luma', 'schedule.steps'],
  )
  assert.equal(config.schedule.warmup, before.schedule.warmup)
  assert.deepEqual(resolveConfig('tiny', {}), before)
  assert.deepEqual(overridesOf(config), { 'losses.pixel.luma': 0.5, 'schedule.steps': 5 })
  assert.deepEqual(resolveConfig('tiny', { losses: { pixel: { luma: 1 } } }).losses.pixel, { ...before.losses.pixel, luma: 1 })
})

test('a misspelt option, group or preset names the nearest', () => {
  const unknown = (text: string) => () => resolveConfig('tiny', Object.fromEntries([parseOverride(text)]))
  assert.throws(unknown('schedule.step=5'), { code: 'unknown-option', message: /schedule\.step; did you mean schedule\.steps\?/ })
  assert.throws(unknown('shedule.steps=5'), { code: 'unknown-option', message: /did you mean schedule\.steps\?/ })
  assert.throws(unknown('losses={"pixel":{"lumma":1}}'), {
    code: 'unknown-option',
    message: /losses\.pixel\.lumma; did you mean losses\.pixel\.luma\?/,
  })
  assert.throws(unknown('preset=fast-x4'), { code: 'unknown-option' })
  assert.throws(() => resolveConfig('fast-4x', {}), { code: 'invalid-option', message: /unknown preset fast-4x; did you mean fast-x4\?/ })
})

test('a value of the wrong kind or out of bounds is refused with its option, what was expected and what came', () => {
  const set = (text: string) => () => resolveConfig('tiny', Object.fromEntries([parseOverride(text)]))
  for (const text of [
    'schedule.steps=abc',
    'schedule.steps=0',
    'schedule.steps=1.5',
    'data.patch=3',
    'ema=2',
    'engine=cuda',
    'data=5',
    'network=null',
  ]) {
    const [name, value] = parseOverride(text)
    assert.throws(set(text), { code: 'invalid-option', param: name, got: String(value), expected: /./ }, text)
  }
  assert.throws(() => resolveConfig('tiny', { 'schedule.steps': Number('abc') }), {
    code: 'invalid-option',
    param: 'schedule.steps',
    got: 'NaN',
  })
  assert.throws(() => resolveConfig('tiny', { data: 5, 'data.patch': 16 }), { code: 'invalid-option' })
  assert.throws(() => parseOverride('steps'), { code: 'invalid-option', message: /name=value/ })
})

test('the learning rate rises over the warm-up and falls along half a cosine to its minimum', () => {
  const schedule = { steps: 110, warmup: 10, minimum: 0.1 }
  const at = (step: number) => learningRateAt(step, 2, schedule)
  assert.equal(at(1), 0.2)
  assert.equal(at(5), 1)
  assert.equal(at(10), 2)
  assert.ok(Math.abs(at(60) - 1.05) < 1e-12)
  assert.ok(Math.abs(at(35) - (0.1 + 1.9 * (0.5 + Math.SQRT1_2 / 2))) < 1e-12)
  assert.equal(at(110), 0.1)
  assert.equal(at(200), 0.1)
  assert.ok(learningRateAt(1, 2, { ...schedule, warmup: 0 }) < 2)
})

test('the page on training names every option with its default', async () => {
  const page = await readFile(new URL('../../../docs/training.md', import.meta.url), 'utf8')
  const [, table] = page.split('## Options')
  const rows = [...table!.matchAll(/^\| `([a-zA-Z0-9.]+)` \| (\S.*?)? ?\| .+ \|$/gm)].map(([, name, value]): [string, unknown] => [
    name!,
    value ? JSON.parse(value) : undefined,
  ])
  const documented = rows.filter(([name]) => name !== 'engine')
  const defaults = differences({ ...parseConfig({ preset: '' }), engine: 'wasm' }, {} as Config).map(([name, value]): [string, unknown] => [
    name,
    JSON.parse(value),
  ])
  const known = defaults.filter(([name]) => !['preset', 'engine'].includes(name))
  assert.deepEqual(documented, known)
})
