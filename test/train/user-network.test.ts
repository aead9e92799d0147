import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { resolveConfig } from '../../train/config.js'
import { openGenerator } from '../../train/user-network.js'
import { temporaryFolder } from '../support/training.js'

const home = await temporaryFolder()
const tf = await useEngine('wasm')

test('the network of the page on training is made, and known to the exporter', async () => {
  const page = await readFile(new URL('../../../docs/training.md', import.meta.url), 'utf8')
  const [code] = page.match(/^ {4}export default \(\{ tf, layers[\s\S]*?\n {4}\}\n/m)!
  const generator = await openGenerator(tf, await config(code))
  const output = tf.tidy(() => (generator.predict(tf.zeros([1, 8, 6, 3])) as TF.Tensor).shape)
  assert.deepEqual(output, [1, 16, 12, 3])
  const { receptiveField, sizeMultiple, parameters } = networkFacts(generator)
  assert.deepEqual([receptiveField, sizeMultiple, parameters], [2, 1, 9 * 3 * 16 + 16 + 9 * 16 * 12 + 12])
})

test('a module that makes no such network is refused, saying why', async () => {
  const reject = async (code: string, message: RegExp) =>
    assert.rejects(openGenerator(tf, await config(code)), { code: 'invalid-module', param: 'network.path', message })
  await reject('export default 5', /no default export that is a function/)
  await reject('export const net = () => {}', /no default export/)
  await reject('export default (', /cannot be loaded/)
  await reject('export default () => { throw new Error("out of ideas") }', /out of ideas/)
  await reject(
    'export default ({ tf }) => { const x = tf.input({ shape: [null, null, 3] }); return tf.model({ inputs: x, outputs: tf.layers.reLU().apply(x) }) }',
    /into \[1,16,16,3\], not ×2/,
  )
  await reject('export default () => ({})', /into undefined/)
  await assert.rejects(openGenerator(tf, resolveConfig('tiny', { network: { kind: 'module', path: join(home, 'none.mjs') } })), {
    code: 'invalid-module',
    message: /cannot be loaded/,
  })
})

test('patches that do not suit the network are refused before anything is trained', async () => {
  const uneven = resolveConfig('tiny', { 'network.kind': 'encoder-decoder', 'network.channels': 4, 'data.patch': 18 })
  await assert.rejects(openGenerator(tf, uneven), { code: 'invalid-option', param: 'data.patch', expected: 'a multiple of 4', got: '18' })
})

let count = 0
async function config(code: string) {
  const path = join(home, `net-${count++}.mjs`)
  await writeFile(path, code)
  return resolveConfig('tiny', { network: { kind: 'module', path } })
}
