import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { exportRun } from '../../export/export.js'
import { openLayers } from '../../export/layers.js'
import { readModel } from '../../export/read.js'
import { loadModel, saveModel } from '../../nets/model-files.js'
import { difference, network, tf } from './compare.js'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-layers-'))
})
after(() => rm(folder, { recursive: true }))

/** A module with this default export. */
async function written(text: string): Promise<string> {
  const path = join(folder, `layers-${Math.random()}.mjs`)
  await writeFile(path, `export default ${text}`)
  return path
}

/** x·|x|, with a learned factor. */
const BENT = `
  layer: tf => class Bent extends tf.layers.Layer {
    static className = 'Bent'
    build() { this.factor = this.addWeight('factor', [], 'float32', tf.initializers.ones()) }
    computeOutputShape(shape) { return shape }
    call(x) { return tf.tidy(() => { x = Array.isArray(x) ? x[0] : x; return x.mul(x.abs()).mul(this.factor.read()) }) }
  }`
const TO_ONNX = `
  toOnnx: call => {
    const [x] = call.inputs
    const data = call.layer.getWeights()[0].dataSync()
    const factor = call.constant('factor', { type: 'float32', dims: [], data })
    return call.add('Mul', [call.add('Mul', [x, call.add('Abs', [x])]), factor])
  }`

/** A network with a layer of a class, which does nothing in tfjs. */
function networkWith(className: string): TF.LayersModel {
  const made = class extends tf.layers.Layer {
    static className = className
    override computeOutputShape(shape: TF.Shape) {
      return shape
    }
    override call(x: TF.Tensor | TF.Tensor[]) {
      return [x].flat()[0]!.clone()
    }
  }
  return network([null, null, 3], x => new made({ name: 'bend' }).apply(x) as TF.SymbolicTensor)
}

test("a user's layer class is loaded with its weights and written as its op says", async () => {
  const { ops, register } = await openLayers(await written(`{ Bent: { ${BENT}, ${TO_ONNX} } }`))
  register(tf)
  const { classNameMap } = tf.serialization.SerializationMap.getMap()
  const Bent = classNameMap.Bent![0] as unknown as new (config: object) => TF.layers.Layer
  const model = network([null, null, 3], x => new Bent({ name: 'bend' }).apply(x) as TF.SymbolicTensor)
  await saveModel(model, join(folder, 'bent'))
  const loaded = await loadModel(tf, join(folder, 'bent'))
  const { graph } = readModel(loaded, ops)
  assert.ok(graph.initializers.has('bend/factor'))
  assert.ok((await difference(loaded, [[4, 5]], graph)) <= 1e-6)
})

test("a network of a user's layers gets a card, which says that it runs whole only", async () => {
  const layers = await written(`{ Bent: { ${BENT}, ${TO_ONNX} } }`)
  const run = join(folder, 'bent')
  await assert.rejects(exportRun({ run, output: join(folder, 'models', 'bent'), engine: 'cpu' }), {
    code: 'unsupported-layer',
    param: 'bend',
  })
  const { card } = await exportRun({ run, layers, output: join(folder, 'models', 'bent'), engine: 'cpu' })
  assert.deepEqual([card.scale, card.receptiveField, card.halo], [1, null, null])
})

test('the example in the docs makes a model of a network with that layer', async () => {
  const docs = await readFile(new URL('../../../docs/models.md', import.meta.url), 'utf8')
  const example = /^## Layers of your own$[\s\S]*?^```js\n([\s\S]*?)^```$/m.exec(docs)![1]!
  const layers = join(folder, 'example.mjs')
  await writeFile(layers, example)
  const { ops, register } = await openLayers(layers)
  register(tf)
  const { classNameMap } = tf.serialization.SerializationMap.getMap()
  const Scale = classNameMap.Scale![0] as unknown as new (config: object) => TF.layers.Layer
  const model = network([null, null, 3], x => new Scale({ name: 'scale' }).apply(x) as TF.SymbolicTensor)
  assert.ok(model.getWeights().length > 0)
  assert.ok((await difference(model, [[4, 5]], readModel(model, ops).graph)) <= 1e-6)
  await saveModel(model, join(folder, 'scaled'))
  const { card } = await exportRun({ run: join(folder, 'scaled'), layers, output: join(folder, 'models', 'scaled'), engine: 'cpu' })
  assert.deepEqual([card.scale, card.receptiveField], [1, null])
})

test('a class that is there already needs no layer, and is written as the user says', async () => {
  const { ops } = await openLayers(await written("{ ReLU: { toOnnx: call => call.add('Abs', call.inputs) } }"))
  const model = network([null, null, 3], x => tf.layers.reLU().apply(x) as TF.SymbolicTensor)
  assert.equal(readModel(model, ops).graph.nodes[0]!.op, 'Abs')
})

test('a module that cannot be used says which class is wrong, and how', async () => {
  const bad: Record<string, RegExp> = {
    undefined: /default export/,
    '[]': /default export/,
    '{ Bent: () => 1 }': /Bent: .*expected object/,
    '{ Bent: {} }': /Bent\.toOnnx: expected a function/,
    "{ Bent: { toOnnx: 'Abs' } }": /Bent\.toOnnx: expected a function/,
    '{ Bent: { toOnnx: () => 1, layer: 3 } }': /Bent\.layer: expected a function/,
    '{ Bent: { toOnnx: () => 1, toOnx: () => 1 } }': /Bent: .*toOnx/,
    '{ Bent: ': /cannot be loaded/,
  }
  for (const [text, message] of Object.entries(bad)) {
    await assert.rejects(written(text).then(openLayers), { code: 'invalid-module', param: 'layers', message }, text)
  }
  await assert.rejects(openLayers(join(folder, 'nowhere.mjs')), { code: 'invalid-module', message: /nowhere\.mjs.*cannot be loaded/ })
})

test('what makes a class must make that class', async () => {
  const bad: Record<string, RegExp> = {
    '() => { throw new Error("no paint") }': /Bent\.layer throws: no paint/,
    '() => 3': /Bent\.layer: .*extends tf\.layers\.Layer, got number/,
    '() => class {}': /Bent\.layer: .*extends tf\.layers\.Layer/,
    "tf => class extends tf.layers.Layer { static className = 'Bend' }": /Bent\.layer: .*className = 'Bent', got Bend/,
  }
  for (const [text, message] of Object.entries(bad)) {
    const { register } = await openLayers(await written(`{ Bent: { layer: ${text}, ${TO_ONNX} } }`))
    assert.throws(() => register(tf), { code: 'invalid-module', message }, text)
  }
})

test('an op that throws, or returns what is no value, names its layer and its class', async () => {
  const bad: Record<string, RegExp> = {
    '() => { throw new Error("no paint") }': /layer bend, Crooked\.toOnnx throws: no paint/,
    '() => 3': /layer bend, Crooked\.toOnnx: .*got number/,
    '() => undefined': /layer bend, Crooked\.toOnnx: .*got undefined/,
    "() => 'elsewhere'": /layer bend, Crooked\.toOnnx: .*got "elsewhere"/,
  }
  for (const [text, message] of Object.entries(bad)) {
    const { ops } = await openLayers(await written(`{ Crooked: { toOnnx: ${text} } }`))
    assert.throws(() => readModel(networkWith('Crooked'), ops), { code: 'invalid-module', message }, text)
  }
})
