import assert from 'node:assert/strict'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { exportGraph } from '../../export/export.js'
import type { Image } from '../../image/image.js'
import { resize } from '../../image/resize.js'
import { layersOf } from '../../nets/layers.js'
import { random } from '../support/draw.js'
import { difference, network, networkOf, tf } from './compare.js'

const FREE = [null, null, 4]
const SIZES: [number, number][] = [
  [9, 12],
  [7, 5],
  [8, 8],
]
const ours = layersOf(tf)
const { layers } = tf

/** Our own layers; tfjs' are in layers.test.ts. */
const alone: Record<string, () => TF.layers.Layer> = {
  CollapsibleConv2D: () => ours.collapsibleConv({ filters: 4, kernelSize: 3, expansion: 6, identity: true, slope: 0.1, gain: 1, seed: 1 }),
  'CollapsibleConv2D, plain, ReLU': () =>
    ours.collapsibleConv({ filters: 6, kernelSize: 5, expansion: 0, identity: false, slope: 0, gain: 1, seed: 1 }),
  'CollapsibleConv2D, no activation': () =>
    ours.collapsibleConv({ filters: 6, kernelSize: 3, expansion: 8, identity: false, slope: 1, gain: 1, seed: 1 }),
  RepeatChannels: () => ours.repeatChannels({ times: 9 }),
  Affine: () => ours.affine({ factor: -2, offset: 0.3 }),
  'Affine with an offset a channel': () => ours.affine({ factor: 1, offset: [0.1, -0.2, 0.3, 0.4] }),
  'Affine without offset': () => ours.affine({ factor: 0.2 }),
  BatchNorm: () => ours.batchNorm({}),
  InstanceNorm: () => ours.instanceNorm({}),
  ChannelPReLU: () => ours.channelPrelu({}),
  'StridedConv2D, free size': () => ours.stridedConv({ filters: 3, kernelSize: 4, stride: 2, deviation: 1, seed: 1 }),
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

test('an unknown layer is an error that names it, its class and what is known', () => {
  class Hiss extends tf.layers.Layer {
    static className = 'Hiss'
  }
  const model = network(FREE, x => new Hiss({ name: 'hiss' }).apply(x) as TF.SymbolicTensor)
  assert.throws(() => exportGraph(model), {
    code: 'unsupported-layer',
    param: 'hiss',
    got: 'Hiss',
    message: /hiss.*Hiss.*Conv2D.*PixelShuffle.*--layers/,
  })
})

test('an unknown activation is an error that names the layer and what is known', () => {
  const conv = layers.conv2d({ filters: 1, kernelSize: 1, name: 'odd' })
  const model = network(FREE, x => conv.apply(x) as TF.SymbolicTensor)
  conv.getConfig = () => ({ ...Object.getPrototypeOf(conv).getConfig.call(conv), activation: 'squiggle' })
  assert.throws(() => exportGraph(model), { code: 'unsupported-layer', param: 'odd', message: /squiggle.*gelu/ })
})

/** What tfjs takes, but answers in a way that nobody would want exported, or ONNX Runtime cannot follow. */
const refused: Record<string, [(number | null)[], () => TF.layers.Layer, RegExp]> = {
  'a convolution of channels first': [
    [4, 8, 8],
    () => layers.conv2d({ filters: 1, kernelSize: 1, dataFormat: 'channelsFirst' }),
    /channelsLast/,
  ],
  'a pool of channels first': [[4, 8, 8], () => layers.maxPooling2d({ poolSize: 2, dataFormat: 'channelsFirst' }), /channelsLast/],
  'a crop of channels first': [[4, 8, 8], () => layers.cropping2D({ cropping: 1, dataFormat: 'channelsFirst' } as never), /channelsLast/],
  'a softmax of rows': [[8, 8, 4], () => layers.softmax({ axis: 1 }), /last/],
  'a normalised height': [[8, 8, 4], () => layers.batchNormalization({ axis: 1 }), /axis -1/],
  'a dilated depthwise convolution': [FREE, () => layers.depthwiseConv2d({ kernelSize: 3, dilationRate: 2 }), /ignores its dilationRate/],
  'a pool smaller than its stride, free size': [FREE, () => layers.maxPooling2d({ poolSize: 2, strides: 3, padding: 'same' }), /strides/],
}
for (const [name, [shape, make, message]] of Object.entries(refused)) {
  test(`${name} is refused, not guessed`, () => {
    const model = network(shape, x => make().apply(x) as TF.SymbolicTensor)
    assert.throws(() => exportGraph(model), { code: 'unsupported-layer', param: model.layers[1]!.name, message })
  })
}

test('an axis counted from behind, which tfjs takes for the last, is refused', () => {
  const model = networkOf([FREE, FREE], values => layers.concatenate({ axis: -2 }).apply(values) as TF.SymbolicTensor)
  assert.throws(() => exportGraph(model), { code: 'unsupported-layer', message: /axis -1/ })
})
