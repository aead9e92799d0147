import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableOf } from '../../bench/rows.js'

test('the table shows rate, peer, ratio and spread, and says what was not measured', () => {
  const table = tableOf([
    {
      name: 'folder command',
      unit: 'pictures/s',
      ours: 'uprez upscale',
      peer: 'a loop',
      result: { ours: 3.1, peer: 3.2, ratio: 0.969, lowest: 0.95, highest: 0.99, pairs: 4 },
    },
    { name: 'p50', unit: 'ms', ours: 'a request', value: 812.4 },
    { name: 'step', unit: 'steps/s', ours: 'wasm', value: 1.25, noPeer: 'no Python with torch' },
    { name: 'preset', unit: 'steps/s', ours: 'native', value: 5, beside: [{ name: 'data wait', value: 0.25, unit: '%' }] },
    { name: 'native', reason: 'the native engine is not set up' },
  ])
  const lines = table.split('\n').map(line => line.replace(/ +/g, ' '))
  assert.deepEqual(lines.slice(0, 6), [
    ' ours peer ours / peer',
    'folder command 3.10 pictures/s 3.20 0.969 (0.95–0.99, 4 pairs)',
    'p50 812 ms',
    'step 1.25 steps/s not measured: no Python with torch',
    'preset 5.00 steps/s data wait 0.250 %',
    'native not measured: the native engine is not set up',
  ])
  assert.ok(lines.includes(' ours: uprez upscale') && lines.includes(' peer: a loop'))
})
