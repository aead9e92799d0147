import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { largestDifference } from '../../export/verify.js'
import { loadModel, saveModel } from '../../nets/model-files.js'
import { difference, tf } from '../export/compare.js'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uprez-foreign-'))
})
after(() => rm(folder, { recursive: true }))

/** A layer as Keras saves it; without a name of its own it is called `layer`. */
interface Saved {
  class_name: string
  config: Record<string, unknown>
  inbound_nodes?: unknown
}

const CHANNELS = 16

/** A saved network of one layer behind a picture of 16 channels. */
async function saved(layer: Saved, weights: Record<string, number[]> = {}): Promise<string> {
  const dir = join(folder, `${Math.random()}`)
  await mkdir(dir)
  const layers = [
    {
      class_name: 'InputLayer',
      config: { name: 'picture', batch_input_shape: [null, null, null, CHANNELS] },
      name: 'picture',
      inbound_nodes: [],
    },
    {
      inbound_nodes: [[['picture', 0, 0, {}]]],
      ...layer,
      config: { name: 'layer', trainable: true, dtype: 'float32', ...layer.config },
      name: 'layer',
    },
  ]
  const ends = { input_layers: [['picture', 0, 0]], output_layers: [['layer', 0, 0]] }
  const specs = Object.entries(weights).map(([name, data]) => ({ name: `layer/${name}`, shape: [data.length], dtype: 'float32' }))
  const topology = { model_config: { class_name: 'Functional', config: { name: 'net', layers, ...ends } }, keras_version: '2.10.0' }
  const json = { format: 'layers-model', modelTopology: topology, weightsManifest: [{ paths: ['weights.bin'], weights: specs }] }
  await writeFile(join(dir, 'model.json'), JSON.stringify(json))
  await writeFile(join(dir, 'weights.bin'), new Uint8Array(Float32Array.from(Object.values(weights).flat()).buffer))
  return dir
}

/** x, and what it should become. */
type Meaning = (x: TF.Tensor4D) => TF.Tensor
const shuffled =
  (factor: number): Meaning =>
  x =>
    tf.depthToSpace(x, factor, 'NHWC')
const mirrored =
  (rows: [number, number], columns: [number, number]): Meaning =>
  x =>
    tf.mirrorPad(x, [[0, 0], rows, columns, [0, 0]], 'reflect')
const same: Meaning = x => x.clone()
/** A function of TensorFlow that Keras found in the network, with what it was called with besides. */
const called = (name: string, more: object, value: unknown[] = ['picture', 0, 0]): Saved => ({
  class_name: 'TFOpLambda',
  config: { function: name },
  inbound_nodes: [[...value, { ...more, name: null }]],
})
const layer = (class_name: string, config: Record<string, unknown> = {}): Saved => ({ class_name, config })

const meanings: [string, Saved, Meaning][] = [
  ['@upscalerjs: PixelShuffle2x', layer('PixelShuffle2x', { scale: 2 }), shuffled(2)],
  ['@upscalerjs: PixelShuffle4x that does not say its scale', layer('PixelShuffle4x'), shuffled(4)],
  ['@upscalerjs: MultiplyBeta', layer('MultiplyBeta', { beta: 0.3 }), x => x.mul(0.3)],
  ['@upscalerjs: MultiplyBeta that does not say its factor', layer('MultiplyBeta'), x => x.mul(0.2)],
  ['PixelShuffle of ours', layer('PixelShuffle', { scale: 4 }), shuffled(4)],
  ['PixelShuffle in the words of another', layer('Custom>PixelShuffle', { upscale_factor: 2 }), shuffled(2)],
  ['PixelShuffler of a pair', layer('PixelShuffler', { size: [2, 2], data_format: 'channels_last' }), shuffled(2)],
  ['SubPixelUpscaling', layer('SubPixelUpscaling', { scale_factor: 4, data_format: 'channels_last' }), shuffled(4)],
  ['DepthToSpace', layer('my_layers>DepthToSpace', { block_size: 2 }), shuffled(2)],
  [
    'SpaceToDepth',
    layer('SpaceToDepth', { block_size: 2 }),
    x => x.reshape([2, 3, 2, 2, 2, 16]).transpose([0, 1, 3, 2, 4, 5]).reshape([2, 3, 2, 64]),
  ],
  ['a multiplication by a constant', layer('ScaleLayer', { scale: -0.5 }), x => x.mul(-0.5)],
  ['ReflectionPadding2D of one number', layer('ReflectionPadding2D', { padding: 3 }), mirrored([3, 3], [3, 3])],
  ['ReflectionPad2d of rows and columns', layer('ReflectionPad2d', { padding: [1, 2] }), mirrored([1, 1], [2, 2])],
  [
    'ReflectionPadding2d of four borders',
    layer('ReflectionPadding2d', {
      padding: [
        [1, 2],
        [0, 3],
      ],
    }),
    mirrored([1, 2], [0, 3]),
  ],
  ['SpatialDropout2D', layer('SpatialDropout2D', { rate: 0.5, noise_shape: null }), same],
  ['ActivityRegularization', layer('ActivityRegularization', { l1: 0.1, l2: 0 }), same],
  ['RandomFlip', layer('RandomFlip', { mode: 'horizontal', seed: null }), same],
  ['Resizing', layer('Resizing', { height: 5, width: 3, interpolation: 'bilinear' }), x => tf.image.resizeBilinear(x, [5, 3], true)],
  ['x * 0.2', called('math.multiply', { y: 0.2 }), x => x.mul(0.2)],
  ['0.2 * x', called('math.multiply', { y: ['picture', 0, 0] }, ['_CONSTANT_VALUE', -1, 0.2]), x => x.mul(0.2)],
  ['x + 0.5', called('__operators__.add', { y: 0.5 }), x => x.add(0.5)],
  ['x - 0.5', called('math.subtract', { y: 0.5 }), x => x.sub(0.5)],
  ['1 - x', called('math.subtract', { y: ['picture', 0, 0] }, ['_CONSTANT_VALUE', -1, 1]), x => tf.sub(1, x)],
  ['x / 127.5', called('math.truediv', { y: 127.5 }), x => x.div(127.5)],
  ['tf.nn.depth_to_space', called('nn.depth_to_space', { block_size: 4, data_format: 'NHWC' }), shuffled(4)],
  ['tf.nn.leaky_relu', called('nn.leaky_relu', { alpha: 0.1 }), x => tf.leakyRelu(x, 0.1)],
  ['tf.nn.relu', called('nn.relu', {}), x => tf.relu(x)],
  ['tf.nn.relu6', called('nn.relu6', {}), x => tf.relu(x)],
  ['tf.math.tanh', called('math.tanh', {}), x => tf.tanh(x)],
]

for (const [name, saying, meaning] of meanings) {
  test(`${name} loads, answers as it should, is exported and saved again`, async () => {
    const dir = await saved(saying)
    const model = await loadModel(tf, dir)
    const x = tf.randomUniform([2, 6, 4, CHANNELS], -1, 1, 'float32', 3) as TF.Tensor4D
    const answer = async (net: TF.LayersModel) => (net.predict(x) as TF.Tensor).data()
    const expected = meaning(x)
    assert.deepEqual((model.predict(x) as TF.Tensor).shape, expected.shape)
    assert.ok(largestDifference(await answer(model), await expected.data()) <= 1e-6)
    assert.ok((await difference(model, [[6, 4]])) <= 1e-6)
    await saveModel(model, `${dir}-again`)
    assert.deepEqual(await answer(await loadModel(tf, `${dir}-again`)), await answer(model))
  })
}

test('x + y, x - y and x * y of two values', async () => {
  for (const [name, op] of Object.entries({ '__operators__.add': tf.add, 'math.subtract': tf.sub, 'math.multiply': tf.mul })) {
    const model = await loadModel(tf, await saved(called(name, { y: ['picture', 0, 0] })))
    const layer = model.layers[1]!
    assert.deepEqual(
      layer.inboundNodes[0]!.inputTensors.map(({ sourceLayer }) => sourceLayer.name),
      ['picture', 'picture'],
    )
    const [a, b] = [tf.tensor4d([1, 2], [1, 1, 2, 1]), tf.tensor4d([3, 5], [1, 1, 2, 1])]
    assert.deepEqual((layer.call([a, b], {}) as TF.Tensor).dataSync(), op(a, b).dataSync())
  }
})

test('normalisations by group and by channel come with their weights', async () => {
  const gamma = Array.from({ length: CHANNELS }, (_, i) => 1 + i / 10)
  const beta = gamma.map(g => g - 2)
  const x = tf.randomUniform([2, 6, 4, CHANNELS], -1, 1, 'float32', 3) as TF.Tensor4D
  const byGroups = (groups: number) => {
    const grouped = x.reshape([2, 24, groups, CHANNELS / groups])
    const { mean, variance } = tf.moments(grouped, [1, 3], true)
    return grouped.sub(mean).div(variance.add(0.01).sqrt()).reshape(x.shape).mul(gamma).add(beta)
  }
  const config = { epsilon: 0.01, axis: -1, center: true, scale: true }
  const cases: [Saved, number][] = [
    [layer('GroupNormalization', { ...config, groups: 4 }), 4],
    [layer('Addons>GroupNormalization', { ...config, groups: 2 }), 2],
    [layer('Addons>InstanceNormalization', { ...config, groups: -1 }), CHANNELS],
    [layer('InstanceNormalization', config), CHANNELS],
  ]
  for (const [saying, groups] of cases) {
    const model = await loadModel(tf, await saved(saying, { gamma, beta }))
    assert.ok(largestDifference(await (model.predict(x) as TF.Tensor).data(), await byGroups(groups).data()) <= 1e-5)
    assert.ok((await difference(model, [[6, 4]])) <= 1e-5)
  }
})

test('a class that does not say enough is refused, naming what is missing', async () => {
  const refused: [Saved, RegExp][] = [
    [layer('DepthToSpace'), /DepthToSpace.*scale.*blockSize/],
    [layer('PixelShuffle', { scale: 1.5 }), /PixelShuffle.*whole.*1\.5/],
    [layer('DepthToSpace', { block_size: 2, data_format: 'channels_first' }), /channelsLast/],
    [layer('ScaleLayer', { scale: 'much' }), /ScaleLayer.*number/],
    [layer('ReflectionPad2d', { padding: [1, 2, 3] }), /padding/],
    [layer('GroupNormalization', { groups: 3 }), /16 channels/],
    [layer('InstanceNormalization', { axis: null }), /axis/],
  ]
  for (const [saying, message] of refused) await assert.rejects(loadModel(tf, await saved(saying)), { code: 'not-a-run', message })
})

test('a class that takes one value here and two elsewhere is refused', async () => {
  const two = {
    ...layer('ResidualScaling', { scale: 0.1 }),
    inbound_nodes: [
      [
        ['picture', 0, 0, {}],
        ['picture', 0, 0, {}],
      ],
    ],
  }
  await assert.rejects(loadModel(tf, await saved(two)), { code: 'not-a-run', message: /expects 1 input/ })
})

test('a value that no layer makes is an error, where tfjs would look for it without end', async () => {
  const relu = (from: string) => ({ ...layer('ReLU'), inbound_nodes: [[[from, 0, 0, {}]]] })
  for (const from of ['ghost', 'layer']) {
    await assert.rejects(loadModel(tf, await saved(relu(from))), {
      code: 'not-a-run',
      param: 'layer',
      got: `layer layer, which waits for ${from}`,
    })
  }
})

test('a layer, a function or an activation that nobody knows is named, with the layer and what is known', async () => {
  await assert.rejects(loadModel(tf, await saved(layer('HoloConv2D'))), {
    code: 'unsupported-layer',
    param: 'layer',
    got: 'HoloConv2D',
    message: /layer: .*HoloConv2D.*Conv2D.*PixelShuffle.*--layers/,
  })
  for (const unknown of [called('image.sobel', {}), called('nn.depth_to_space', { block_size: 2, data_format: 'NCHW' })])
    await assert.rejects(loadModel(tf, await saved(unknown)), {
      code: 'unsupported-layer',
      param: 'layer',
      got: 'TFOpLambda',
    })
  const dense = layer('Dense', { units: 3, activation: 'hard_shrug' })
  await assert.rejects(loadModel(tf, await saved(dense)), {
    code: 'unsupported-layer',
    param: 'layer',
    got: 'hardShrug',
    message: /hardShrug.*hardSigmoid/,
  })
})
