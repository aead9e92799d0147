import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { override, resolveConfig } from '../../train/config.js'
import { openGenerator } from '../../train/user-network.js'
import { temporaryFolder } from '../support/training.js'

const home = await temporaryFolder()
const tf = await useEngine('wasm')

test('the network of the page on training is made, learns, and is known to the exporter', async () => {
  const page = await readFile(new URL('../../../docs/training.md', import.meta.url), 'utf8')
  const [code] = page.match(/^ {4}export default \(\{ tf, layers[\s\S]*?\n {4}\}\n/m)!
  const generator = await openGenerator(tf, await config(code))
  const output = tf.tidy(() => (generator.predict(tf.zeros([1, 8, 6, 3])) as TF.Tensor).shape)
  assert.deepEqual(output, [1, 16, 12, 3])
  const { value, grads } = tf.variableGrads(() => (generator.apply(tf.ones([1, 8, 6, 3])) as TF.Tensor).square().mean())
  assert.deepEqual(
    Object.values(grads).map(({ shape }) => shape),
    generator.trainableWeights.map(({ shape }) => shape),
  )
  for (const gradient of Object.values(grads)) assert.ok(tf.tidy(() => gradient.abs().max().dataSync()[0]!) > 0)
  tf.dispose([value, ...Object.values(grads)])
  const { receptiveField, sizeMultiple, parameters } = networkFacts(generator)
  assert.deepEqual([receptiveField, sizeMultiple, parameters], [2, 1, 9 * 3 * 16 + 16 + 9 * 16 * 12 + 12])
})

test('a network may take no sides but multiples of any number', async () => {
  const conv = 'const conv = (filters, strides = 1) => tf.layers.conv2d({ filters, strides, kernelSize: 3, padding: "same" })'
  const halvings = `export default ({ tf, layers, scale }) => {
    ${conv}
    const image = tf.input({ shape: [null, null, 3] })
    const down = [image]
    for (let i = 0; i < 5; i++) down.push(conv(4, 2).apply(down.at(-1)))
    let x = down.pop()
    while (down.length > 0) x = tf.layers.concatenate().apply([tf.layers.upSampling2d({}).apply(x), down.pop()])
    return tf.model({ inputs: image, outputs: layers.pixelShuffle({ scale }).apply(conv(3 * scale ** 2).apply(x)) })
  }`
  const thirds = `export default ({ tf, layers, scale }) => {
    ${conv}
    const image = tf.input({ shape: [null, null, 3] })
    const x = conv(3 * (3 * scale) ** 2).apply(layers.pixelUnshuffle({ scale: 3 }).apply(image))
    return tf.model({ inputs: image, outputs: layers.pixelShuffle({ scale: 3 * scale }).apply(x) })
  }`
  for (const [code, sizeMultiple] of [
    [halvings, 32],
    [thirds, 3],
  ] as const) {
    const generator = await openGenerator(tf, override(await config(code), { 'data.patch': 96 }))
    assert.equal(networkFacts(generator).sizeMultiple, sizeMultiple)
  }
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
  await assert.rejects(openGenerator(tf, await config(ownLayer)), { code: 'unsupported-layer', param: 'own' })
  await assert.rejects(openGenerator(tf, resolveConfig('tiny', { network: { kind: 'module', path: join(home, 'none.mjs') } })), {
    code: 'invalid-module',
    message: /cannot be loaded/,
  })
})

test('patches that do not suit the network are refused before anything is trained', async () => {
  const uneven = resolveConfig('tiny', { 'network.kind': 'encoder-decoder', 'network.channels': 4, 'data.patch': 18 })
  await assert.rejects(openGenerator(tf, uneven), { code: 'invalid-option', param: 'data.patch', expected: 'a multiple of 4', got: '18' })
})

/** A network with a layer of a class that nobody but its module knows. */
const ownLayer = `export default ({ tf, layers }) => {
  class Own extends tf.layers.Layer {
    static className = 'Own'
    computeOutputShape(shape) { return shape }
    call(inputs) { return inputs }
  }
  const image = tf.input({ shape: [null, null, 3] })
  const x = tf.layers.conv2d({ filters: 12, kernelSize: 3, padding: 'same' }).apply(new Own({ name: 'own' }).apply(image))
  return tf.model({ inputs: image, outputs: layers.pixelShuffle({ scale: 2 }).apply(x) })
}`

let count = 0
async function config(code: string) {
  const path = join(home, `net-${count++}.mjs`)
  await writeFile(path, code)
  return resolveConfig('tiny', { network: { kind: 'module', path } })
}
