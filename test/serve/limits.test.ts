import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { ERROR_TABLE } from '../../errors.js'
import { ENGINE_SETTINGS, LIMITS } from '../../infer/limits.js'
import { listModels } from '../../models/catalog.js'
import { readServerLimits, SERVER_LIMITS } from '../../serve/limits.js'
import { createShelf } from '../../serve/models.js'
import { describeApi } from '../../serve/openapi.js'
import { serverDocument, shippedModels } from './support.js'

test('a limit is what the caller asks for, else its variable, else its default', () => {
  assert.equal(readServerLimits({}, {}).maxInFlight, SERVER_LIMITS.maxInFlight.fallback)
  assert.equal(readServerLimits({}, { UPREZ_MAX_IN_FLIGHT: '3' }).maxInFlight, 3)
  assert.equal(readServerLimits({ maxInFlight: 5 }, { UPREZ_MAX_IN_FLIGHT: '3' }).maxInFlight, 5)
})

test('where anybody may come, a client has limits of its own, unless they are set', () => {
  const { clientInFlight, rateLimit, ...rest } = readServerLimits({}, {}, true)
  assert.ok(clientInFlight > 0 && rateLimit > 0)
  assert.deepEqual({ ...rest, clientInFlight: 0, rateLimit: 0 }, readServerLimits({}, {}))
  assert.equal(readServerLimits({}, { UPREZ_RATE_LIMIT: '0' }, true).rateLimit, 0)
})

test('a variable that is no number is refused by name', () => {
  for (const { variable } of Object.values(SERVER_LIMITS)) {
    assert.throws(() => readServerLimits({}, { [variable]: 'many' }), { code: 'invalid-option', param: variable, got: 'many' })
  }
})

test('docs/server.md shows every limit with its default', async () => {
  const document = await serverDocument()
  for (const { variable, fallback, about, code, ...other } of Object.values(SERVER_LIMITS)) {
    const usual = 'fallbackInPublic' in other ? `${fallback}, with \`--public\` ${other.fallbackInPublic}` : fallback
    const row = `| \`${variable}\` | ${usual} | ${about} | ${code === null ? '–' : `\`${code}\``} |`
    assert.ok(document.includes(row), `missing or outdated: ${row}`)
  }
  for (const { variable, fallback } of Object.values(LIMITS)) {
    assert.ok(document.includes(`| \`${variable}\` | ${fallback} |`), variable)
  }
})

test('docs/server.md shows every variable that the server reads', async () => {
  const document = await serverDocument()
  const sources = new URL('../../../serve/', import.meta.url)
  const texts = await Promise.all((await readdir(sources)).map(name => readFile(new URL(name, sources), 'utf8')))
  const named = texts.flatMap(text => text.match(/\bUPREZ_[A-Z_]+/g) ?? [])
  const variables = new Set([...named, ...Object.values(ENGINE_SETTINGS).map(({ variable }) => variable)])
  assert.ok(variables.has('UPREZ_API_KEYS'))
  for (const variable of variables) assert.ok(document.includes(`\n| \`${variable}\` |`), variable)
})

test('docs/server.md shows every error a request can meet, with its status', async () => {
  const document = await serverDocument()
  const shelf = createShelf(await listModels({ modelPath: shippedModels }))
  const { paths } = describeApi({ shelf, limits: readServerLimits({}, {}), guarded: true })
  const described = Object.values(paths)
    .flatMap(item => Object.values(item))
    .flatMap(({ responses }) => Object.values(responses))
    .flatMap(({ content = {} }) => Object.keys(content['application/problem+json']?.examples ?? {}))
  const shown = [...document.matchAll(/^\| (\d{3}) \| `([a-z-]+)` \|/gm)]
  // OpenAPI has no place for what no route answers.
  const met = new Set([...described, 'method-not-allowed'])
  assert.deepEqual(shown.map(([, , code]) => code).sort(), [...met].sort())
  for (const [, status, code] of shown) assert.equal(ERROR_TABLE[code as keyof typeof ERROR_TABLE]?.status, Number(status), code)
})
