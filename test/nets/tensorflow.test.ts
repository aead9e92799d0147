import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useEngine } from '../../nets/engine.js'
import { nativeAddon, setupNative } from '../../nets/native.js'
import { needsNative } from '../support/native.js'
import { testNets } from '../support/nets.js'

testNets('tensorflow', { ...needsNative, ownGradients: false })

test('setting the native engine up a second time does nothing', needsNative, async () => {
  assert.ok(nativeAddon(), 'it has not been set up')
  const said: string[] = []
  assert.equal(await setupNative(line => said.push(line)), 'ready')
  assert.deepEqual(said, [])
})

test('the engine may be asked for again, which says nothing', needsNative, async t => {
  await useEngine('tensorflow')
  const warn = t.mock.method(console, 'warn', () => {})
  await useEngine('tensorflow')
  assert.deepEqual(
    warn.mock.calls.map(({ arguments: [line] }) => line),
    [],
  )
})
