import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  allOptions,
  differences,
  joinOverrides,
  NO_PRESET,
  overridesOf,
  parseConfig,
  parseOverride,
  readOptionFile,
  resolveConfig,
} from '../../train/config.js'
import { optionsTable } from '../../train/options.js'
import { PRESETS } from '../../train/presets.js'

test('every preset is valid and survives being written down', () => {
  for (const preset of Object.keys(PRESETS)) {
    const config = resolveConfig(preset, {})
    assert.deepEqual(parseConfig(JSON.parse(JSON.stringify(config))), config)
    assert.deepEqual(overridesOf(config), {}, preset)
  }
})

test('a preset holds only what differs from the defaults', () => {
  const isGroup = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
  const leaves = (value: object, path: string): [string, unknown][] =>
    Object.entries(value).flatMap(([key, inner]) => (isGroup(inner) ? leaves(inner, `${path}${key}.`) : [[path + key, inner]]))
  for (const [name, preset] of Object.entries(PRESETS)) {
    for (const [option, value] of leaves(preset, '')) {
      // The kind of a group must be said where the group is not of the default one; its own options then have defaults of that kind.
      if (option.endsWith('.kind')) continue
      const { [option]: _, ...others } = Object.fromEntries(leaves(preset, ''))
      const without = new Map(leaves(resolveConfig(NO_PRESET, others), ''))
      assert.notDeepEqual(without.get(option), value, `${name}: ${option}`)
    }
  }
})

test('null takes an option back to its default, whatever the preset says', () => {
  assert.equal(resolveConfig('fast-x2', {}).from, 'fast-x4')
  assert.equal(resolveConfig('fast-x2', { from: null }).from, undefined)
  assert.equal(resolveConfig('srgan-x4', { critic: null, 'losses.gan': null }).critic, undefined)
  assert.equal(resolveConfig('srgan-x4', { 'losses.grid.weight': null }).losses.grid.weight, 0)
  assert.deepEqual(resolveConfig('tiny', { network: null }).network, resolveConfig(NO_PRESET, {}).network)
  assert.equal(resolveConfig('tiny', { network: null, 'network.channels': 8 }).network.kind, 'fast')
})

test('the overrides on a card, given to its preset, make the same configuration', () => {
  for (const given of [
    { recipe: 'pixel', critic: null, 'losses.gan': null },
    { 'network.kind': 'srvgg', 'network.blocks': 3 },
  ]) {
    const config = resolveConfig('srgan-x4', given)
    assert.deepEqual(resolveConfig('srgan-x4', overridesOf(config)), config)
  }
})

test('overrides of several places are joined option by option, the later over the earlier', () => {
  const file = { data: { patch: 16, source: 'mine' }, network: { kind: 'srvgg', blocks: 3 } }
  const joined = joinOverrides([
    file,
    { data: { patch: 32 } },
    { 'schedule.steps': 5 },
    { network: { kind: 'module', path: '/my-net.mjs' } },
  ])
  assert.deepEqual(joined, {
    data: { patch: 32, source: 'mine' },
    network: { kind: 'module', path: '/my-net.mjs' },
    'schedule.steps': 5,
  })
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
  assert.throws(unknown('degradation.clean=0.2'), {
    code: 'unknown-option',
    message: /unknown option degradation\.clean of degradation\.kind = bicubic/,
  })
  assert.throws(() => resolveConfig('srgann-x4', {}), {
    code: 'invalid-option',
    message: /unknown preset srgann-x4; did you mean srgan-x4\?/,
  })
})

test('a value of the wrong kind or out of bounds is refused with its option, what was expected and what came', () => {
  const set = (text: string) => () => resolveConfig('tiny', Object.fromEntries([parseOverride(text)]))
  for (const text of [
    'schedule.steps=abc',
    'schedule.steps=0',
    'schedule.steps=1.5',
    'data.patch=3',
    'ema=2',
    'optimizer.beta1=1',
    'losses.gan.penalty=0',
    'engine=cuda',
    'data=5',
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

test('another kind of network clears what the preset says of its own', () => {
  const set = (...texts: string[]) => resolveConfig('tiny', Object.fromEntries(texts.map(parseOverride)))
  assert.deepEqual(set('network.channels=8', 'network.kind=srvgg').network, { kind: 'srvgg', channels: 8, blocks: 16, activation: 'prelu' })
  assert.deepEqual(set('network={"kind":"srvgg","blocks":3}', 'network.channels=8').network, {
    kind: 'srvgg',
    channels: 8,
    blocks: 3,
    activation: 'prelu',
  })
  assert.deepEqual(set('network.kind=fast').network, set().network)
  assert.throws(() => set('network.kind=srvgg', 'network.expansion=8'), {
    code: 'unknown-option',
    message: /expansion of network\.kind = srvgg/,
  })
  assert.throws(() => set('network.kind=srvg'), { code: 'invalid-option', expected: /fast, srcnn.*srvgg/, got: 'srvg' })
  assert.equal(set('critic.kind=patch').critic?.kind, 'patch')
  assert.throws(() => set('critic.channels=8'), { code: 'invalid-option', param: 'critic.kind' })
})

test('a preset keeps its scale, and says how to leave it', () => {
  assert.throws(() => resolveConfig('fast-x4', { scale: 2 }), { code: 'invalid-option', param: 'scale', expected: '4', got: '2' })
  assert.equal(resolveConfig(NO_PRESET, { scale: 2 }).scale, 2)
})

test('layers of a feature network are named one by one, dots and all', () => {
  const { feature } = resolveConfig('tiny', { 'losses.feature.layers.block.1': 0.5, 'losses.feature.layers.conv2': 1 }).losses
  assert.deepEqual(feature.layers, { 'block.1': 0.5, conv2: 1 })
})

test('an option file holds only what differs, and may name its preset', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'uprez-options-'))
  try {
    const file = join(folder, 'options.json')
    const { engine: _, ...printed } = resolveConfig('tiny', { 'schedule.steps': 7 })
    await writeFile(file, JSON.stringify(printed))
    const { preset, overrides } = await readOptionFile(file)
    assert.equal(preset, 'tiny')
    assert.deepEqual(
      resolveConfig(preset!, overrides),
      resolveConfig('tiny', { 'schedule.steps': 7 }),
      'what --print-config prints can be read',
    )

    await writeFile(file, '{"schedule": {"stepps": 1}}')
    const misspelt = await readOptionFile(file)
    assert.throws(() => resolveConfig(NO_PRESET, misspelt.overrides), {
      code: 'unknown-option',
      message: /schedule\.stepps.*schedule\.steps/,
    })
    for (const text of ['', '[1]', '5', '{"preset": 3}']) {
      await writeFile(file, text)
      await assert.rejects(readOptionFile(file), { code: 'invalid-option', param: '--opt' })
    }
    await assert.rejects(readOptionFile(join(folder, 'missing.json')), { code: 'no-input' })
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the page of options is what `uprez train --options` prints', async () => {
  const page = await readFile(new URL('../../../docs/options.md', import.meta.url), 'utf8')
  assert.equal(page.slice(page.indexOf('| option |')).trim(), optionsTable(allOptions()))
})
