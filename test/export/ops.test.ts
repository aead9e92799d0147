import assert from 'node:assert/strict'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { exportGraph } from '../../export/export.js'
import type { Image } from '../../image/image.js'
import { resize } from '../../image/resize.js'
import { layersOf } from '../../nets/layers.js'
import { random } from '../support/draw.js'
import { difference, network, tf } from './compare.js'

const FREE = [null, null, 4]
const SIZES: [number, number][] = [
  [9, 12],
  [7, 5],
  [8, 8],
]
const ours = layersOf(tf)
const { layers } = tf

const alone: Record<string, () => TF.layers.Layer> = {
  'Conv2D, same': () => layers.conv2d({ filters: 5, kernelSize: 3, padding: 'same' }),
  'Conv2D, valid, without bias, with relu': () =>
    layers.conv2d({ filters: 5, kernelSize: [3, 5], padding: 'valid', useBias: false, activation: 'relu' }),
  'Conv2D, same, even kernel': () => layers.conv2d({ filters: 3, kernelSize: [4, 2], padding: 'same' }),
  'Conv2D, same, dilated': () => layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', dilationRate: 2 }),
  'Conv2D, same, stride 2, free size': () => layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', strides: 2 }),
  'Conv2D, same, stride 2, even kernel, free size': () => layers.conv2d({ filters: 3, kernelSize: 4, padding: 'same', strides: 2 }),
  'Conv2D, valid, stride 3 by 2': () => layers.conv2d({ filters: 3, kernelSize: 3, padding: 'valid', strides: [3, 2] }),
  DepthwiseConv2D: () => layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, padding: 'same', activation: 'tanh' }),
  'DepthwiseConv2D, stride 2': () => layers.depthwiseConv2d({ kernelSize: 3, strides: 2, padding: 'same' }),
  'Conv2DTranspose, same, kernel 4': () => layers.conv2dTranspose({ filters: 3, kernelSize: 4, strides: 2, padding: 'same' }),
  'Conv2DTranspose, same, kernel 3': () => layers.conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2, padding: 'same' }),
  'Conv2DTranspose, same, kernel smaller than stride': () =>
    layers.conv2dTranspose({ filters: 3, kernelSize: 2, strides: 3, padding: 'same', useBias: false }),
  'Conv2DTranspose, valid': () => layers.conv2dTranspose({ filters: 3, kernelSize: 5, strides: 2, padding: 'valid' }),
  CollapsibleConv2D: () => ours.collapsibleConv({ filters: 4, kernelSize: 3, expansion: 6, identity: true, slope: 0.1, gain: 1, seed: 1 }),
  'CollapsibleConv2D, plain, ReLU': () =>
    ours.collapsibleConv({ filters: 6, kernelSize: 5, expansion: 0, identity: false, slope: 0, gain: 1, seed: 1 }),
  'CollapsibleConv2D, no activation': () =>
    ours.collapsibleConv({ filters: 6, kernelSize: 3, expansion: 8, identity: false, slope: 1, gain: 1, seed: 1 }),
  BatchNormalization: () => layers.batchNormalization({}),
  'BatchNormalization without scale and centre': () => layers.batchNormalization({ scale: false, center: false, epsilon: 0.1 }),
  ReLU: () => layers.reLU(),
  'ReLU with a maximum': () => layers.reLU({ maxValue: 0.5 }),
  'LeakyReLU, default slope': () => layers.leakyReLU(),
  LeakyReLU: () => layers.leakyReLU({ alpha: 0.05 }),
  'PReLU by channel': () => layers.prelu({ sharedAxes: [1, 2] }),
  'PReLU of one slope': () => layers.prelu({ sharedAxes: [1, 2, 3] }),
  ELU: () => layers.elu(),
  Dropout: () => layers.dropout({ rate: 0.5 }),
  'UpSampling2D, nearest': () => layers.upSampling2d({ size: [2, 3] }),
  'UpSampling2D, bilinear': () => layers.upSampling2d({ size: [2, 2], interpolation: 'bilinear' }),
  RepeatChannels: () => ours.repeatChannels({ times: 9 }),
  Affine: () => ours.affine({ factor: -2, offset: 0.3 }),
  'Affine with an offset a channel': () => ours.affine({ factor: 1, offset: [0.1, -0.2, 0.3, 0.4] }),
  'Affine without offset': () => ours.affine({ factor: 0.2 }),
  BatchNorm: () => ours.batchNorm({}),
  InstanceNorm: () => ours.instanceNorm({}),
  ChannelPReLU: () => ours.channelPrelu({}),
  'StridedConv2D, free size': () => ours.stridedConv({ filters: 3, kernelSize: 4, stride: 2, deviation: 1, seed: 1 }),
}
for (const name of [
  'linear',
  'relu',
  'relu6',
  'elu',
  'selu',
  'tanh',
  'sigmoid',
  'hardSigmoid',
  'softplus',
  'softsign',
  'softmax',
  'swish',
] as const) {
  alone[`Activation ${name}`] = () => layers.activation({ activation: name })
}

for (const [name, make] of Object.entries(alone)) {
  test(`${name} answers as in tfjs`, async () => {
    const model = network(FREE, x => make().apply(x) as TF.SymbolicTensor)
    assert.ok((await difference(model, SIZES)) <= 1e-5)
  })
}

test('a strided convolution of fixed size is padded as tfjs pads that size', async () => {
  for (const [height, width] of SIZES) {
    const model = network(
      [height, width, 4],
      x => layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same', strides: 2 }).apply(x) as TF.SymbolicTensor,
    )
    const graph = exportGraph(model)
    assert.ok('pads' in graph.nodes[0]!.attributes)
    assert.ok((await difference(model, [[height, width]], graph)) <= 1e-5)
  }
})

test('Add, Multiply and Concatenate take any number of inputs', async () => {
  const model = network(FREE, x => {
    const a = layers.conv2d({ filters: 4, kernelSize: 1 }).apply(x) as TF.SymbolicTensor
    const b = layers.activation({ activation: 'tanh' }).apply(a) as TF.SymbolicTensor
    const sum = layers.add().apply([x, a, b]) as TF.SymbolicTensor
    const product = layers.multiply().apply([sum, b]) as TF.SymbolicTensor
    return layers.concatenate().apply([product, x, a]) as TF.SymbolicTensor
  })
  assert.ok((await difference(model, SIZES)) <= 1e-5)
})

test('PixelShuffle of several colours keeps them in order', async () => {
  const model = network([null, null, 12], x => ours.pixelShuffle({ scale: 2 }).apply(x) as TF.SymbolicTensor)
  assert.equal(await difference(model, SIZES), 0)
})

test('PixelUnshuffle takes the pixels in order', async () => {
  const model = network([null, null, 3], x => ours.pixelUnshuffle({ scale: 2 }).apply(x) as TF.SymbolicTensor)
  const sizes: [number, number][] = [
    [6, 4],
    [2, 8],
  ]
  assert.equal(await difference(model, sizes), 0)
})

test('the bicubic enlargement is that of resize, within two pixels of the border that of a picture with its edge repeated', async () => {
  for (const scale of [2, 3, 4]) {
    const model = network([null, null, 3], x => ours.bicubicEnlarge({ scale }).apply(x) as TF.SymbolicTensor)
    assert.ok((await difference(model, [...SIZES, [1, 1], [2, 1]])) <= 1e-6)

    const [width, height, border] = [9, 8, 2]
    const next = random(4)
    const picture = { data: Float32Array.from({ length: width * height * 3 }, next), width, height, channels: 3 as const }
    const enlarged = (model.predict(tf.tensor4d(picture.data, [1, height, width, 3])) as TF.Tensor).dataSync()
    const inner = resize(picture, { width: width * scale, height: height * scale, kernel: 'bicubic' })
    const whole = resize(extended(picture, border), {
      width: (width + 2 * border) * scale,
      height: (height + 2 * border) * scale,
      kernel: 'bicubic',
    })
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        for (let c = 0; c < 3; c++) {
          const got = enlarged[(y * width * scale + x) * 3 + c]!
          const at = ((y + border * scale) * whole.width + x + border * scale) * 3 + c
          assert.ok(Math.abs(got - whole.data[at]!) < 1e-6)
          const near = Math.min(x, y, width * scale - 1 - x, height * scale - 1 - y) < border * scale
          if (!near) assert.ok(Math.abs(got - inner.data[(y * width * scale + x) * 3 + c]!) < 1e-6)
        }
      }
    }
  }
})

test('the bilinear enlargement is that of resize', async () => {
  for (const scale of [2, 3, 4]) {
    const model = network([null, null, 3], x => ours.bilinearEnlarge({ scale }).apply(x) as TF.SymbolicTensor)
    assert.ok((await difference(model, [...SIZES, [1, 1], [2, 1]])) <= 1e-6)
    const next = random(5)
    const picture = { data: Float32Array.from({ length: 9 * 8 * 3 }, next), width: 9, height: 8, channels: 3 as const }
    const enlarged = (model.predict(tf.tensor4d(picture.data, [1, 8, 9, 3])) as TF.Tensor).dataSync()
    const expected = resize(picture, { width: 9 * scale, height: 8 * scale, kernel: 'bilinear' }).data
    assert.ok(expected.every((value, i) => Math.abs(value - enlarged[i]!) < 1e-6))
  }
})

/** The picture with its outermost pixels repeated. */
function extended(image: Image<Float32Array>, border: number): Image<Float32Array> {
  const [width, height] = [image.width + 2 * border, image.height + 2 * border]
  const inside = (at: number, length: number) => Math.min(length - 1, Math.max(0, at - border))
  const data = Float32Array.from({ length: width * height * 3 }, (_, i) => {
    const [pixel, c] = [Math.floor(i / 3), i % 3]
    const [y, x] = [inside(Math.floor(pixel / width), image.height), inside(pixel % width, image.width)]
    return image.data[(y * image.width + x) * 3 + c]!
  })
  return { data, width, height, channels: 3 }
}

test('Concatenate along height joins heights', async () => {
  const model = network(
    FREE,
    x => layers.concatenate({ axis: 1 }).apply([x, layers.reLU().apply(x) as TF.SymbolicTensor]) as TF.SymbolicTensor,
  )
  assert.ok((await difference(model, SIZES)) <= 1e-5)
})

test('a layer used twice keeps one set of weights', async () => {
  const conv = layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'tanh' })
  const model = network(FREE, x => conv.apply(conv.apply(x)) as TF.SymbolicTensor)
  const graph = exportGraph(model)
  assert.equal(graph.initializers.size, 2)
  assert.ok((await difference(model, SIZES, graph)) <= 1e-5)
})

test('layers that the output does not need are not exported', () => {
  const input = tf.input({ shape: FREE })
  const output = layers.reLU().apply(input) as TF.SymbolicTensor
  layers.conv2d({ filters: 4, kernelSize: 3 }).apply(input)
  const graph = exportGraph(tf.model({ inputs: input, outputs: output }))
  assert.deepEqual(
    graph.nodes.map(n => n.op),
    ['Relu'],
  )
})

test('a single slope becomes LeakyRelu, which ONNX Runtime fuses', () => {
  const graph = exportGraph(network(FREE, x => layers.prelu({ sharedAxes: [1, 2, 3] }).apply(x) as TF.SymbolicTensor))
  assert.equal(graph.nodes[0]!.op, 'LeakyRelu')
})

test('an unknown layer is an error that names it', () => {
  const model = network(FREE, x => layers.gaussianNoise({ stddev: 1, name: 'hiss' }).apply(x) as TF.SymbolicTensor)
  assert.throws(() => exportGraph(model), {
    code: 'unsupported-layer',
    param: 'hiss',
    got: 'GaussianNoise',
    message: /hiss.*GaussianNoise.*Conv2D/,
  })
})

test('an unknown activation is an error that names the layer', () => {
  const model = network(
    FREE,
    x => layers.conv2d({ filters: 1, kernelSize: 1, activation: 'mish', name: 'odd' }).apply(x) as TF.SymbolicTensor,
  )
  assert.throws(() => exportGraph(model), { code: 'unsupported-layer', param: 'odd', message: /mish/ })
})

test('channels first, a normalised height and a network of two inputs are refused, not guessed', () => {
  const first = network(
    [4, 8, 8],
    x => layers.conv2d({ filters: 1, kernelSize: 1, dataFormat: 'channelsFirst' }).apply(x) as TF.SymbolicTensor,
  )
  const height = network([8, 8, 4], x => layers.batchNormalization({ axis: 1 }).apply(x) as TF.SymbolicTensor)
  const inputs = [tf.input({ shape: FREE }), tf.input({ shape: FREE })]
  const two = tf.model({ inputs, outputs: layers.add().apply(inputs) as TF.SymbolicTensor })
  for (const model of [first, height, two]) assert.throws(() => exportGraph(model), { code: 'unsupported-layer' })
})
