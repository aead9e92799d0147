import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { ERROR_TABLE } from '../../errors.js'
import { LIMITS } from '../../infer/limits.js'
import { readServerLimits, SERVER_LIMITS } from '../../serve/limits.js'

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

test('docs/server.md shows every limit with its default and every error a request can meet', async () => {
  const text = await readFile(new URL('../../../docs/server.md', import.meta.url), 'utf8')
  // The formatter pads tables.
  const document = text.replace(/ +/g, ' ')
  for (const { variable, fallback, about, code, ...other } of Object.values(SERVER_LIMITS)) {
    const usual = 'fallbackInPublic' in other ? `${fallback}, with \`--public\` ${other.fallbackInPublic}` : fallback
    const row = `| \`${variable}\` | ${usual} | ${about} | ${code === null ? '–' : `\`${code}\``} |`
    assert.ok(document.includes(row), `missing or outdated: ${row}`)
  }
  for (const { variable, fallback } of Object.values(LIMITS)) {
    assert.ok(document.includes(`| \`${variable}\` | ${fallback} |`), variable)
  }
  const shown = [...document.matchAll(/^\| (\d{3}) \| `([a-z-]+)` \|/gm)]
  assert.ok(shown.length > 20)
  for (const [, status, code] of shown) assert.equal(ERROR_TABLE[code as keyof typeof ERROR_TABLE]?.status, Number(status), code)
})
