import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type * as TF from '@tensorflow/tfjs'
import { useEngine } from '../../nets/engine.js'
import { type FeatureOptions, openFeatures } from '../../nets/features/features.js'
import { inceptionFolder, unpackInception } from '../../nets/features/inception.js'
import { prepareInput } from '../../nets/features/input.js'
import { tapLayers } from '../../nets/features/tap.js'
import { VGG19_CONVOLUTIONS } from '../../nets/features/vgg19.js'
import { loadModel, saveModel } from '../../nets/model-files.js'
import { numbers } from '../support/differences.js'
import { random } from '../support/draw.js'
import { sampleNetwork } from '../support/losses.js'
import { temporaryFolder } from '../support/training.js'

const home = await temporaryFolder()
// Whatever stands in the cache of this machine must not matter.
process.env.UPREZ_CACHE = join(home, 'cache')
const tf = await useEngine('wasm')

const pictures = (shape: [number, number, number, number], seed = 1) => tf.tensor4d(numbers(shape, seed).map(Math.abs), shape)
const network = sampleNetwork(tf)

test('tapped layers are what the network itself computes, before a built-in activation too', () => {
  const names = network.layers.slice(1).map(({ name }) => name)
  const x = pictures([2, 9, 8, 3])
  const maps = tapLayers(tf, network, [...names, 'conv:linear'])(x)
  const outputs = tf.model({ inputs: network.inputs, outputs: names.map(name => network.getLayer(name).output as TF.SymbolicTensor) })
  for (const [i, expected] of (outputs.predict(x) as TF.Tensor[]).entries()) same(maps[names[i]!]!, expected, 1e-5)
  same(tf.relu(maps['conv:linear']!), maps.conv!, 0)
  assert.ok(maps['conv:linear']!.min().dataSync()[0]! < 0)
})

test('the pictures may be of another size than the network was made for', () => {
  const taps = tapLayers(tf, network, ['conv', 'last'])
  const large = taps(pictures([1, 21, 30, 3]))
  assert.deepEqual(
    [large.conv!.shape, large.last!.shape],
    [
      [1, 21, 30, 4],
      [1, 5, 7, 5],
    ],
  )
})

test('the weights are those that the network holds at the moment', () => {
  const taps = tapLayers(tf, network, ['last'])
  const x = pictures([1, 9, 8, 3])
  const before = taps(x).last!
  const [kernel, bias] = network.getLayer('conv').getWeights()
  network.getLayer('conv').setWeights([kernel!.mul(2), bias!])
  assert.ok(taps(x).last!.sub(before).abs().max().dataSync()[0]! > 1e-3)
})

test('an unknown layer names the nearest and all there are', () => {
  assert.throws(() => tapLayers(tf, network, ['con:linear']), {
    code: 'invalid-option',
    message: 'sample has no layer con:linear; did you mean conv:linear?',
    param: 'losses.feature.layers',
    expected: /^conv, conv:linear, plain, norm, relu, sum, pool, zero_padding2d_\S+, strided, strided:linear, \S+, last$/,
    got: 'con:linear',
  })
})

test('inputs are made as networks want them', () => {
  const pixel = tf.tensor4d([1, 0.5, 0.25], [1, 1, 1, 3])
  const prepared = (input: Parameters<typeof prepareInput>[2]) =>
    Array.from(prepareInput(tf, pixel, input).dataSync(), value => +value.toFixed(2))
  assert.deepEqual(prepared('unit'), [1, 0.5, 0.25])
  assert.deepEqual(prepared('tf'), [1, 0, -0.5])
  assert.deepEqual(prepared('torch'), [2.25, 0.2, -0.69])
  assert.deepEqual(prepared('caffe'), [-40.19, 10.72, 131.32])
})

test('the 16 convolutions of VGG19 stand where torchvision has them', () => {
  assert.deepEqual(
    VGG19_CONVOLUTIONS.map(({ name, index, keras }) => `${name} ${index} ${keras}`).filter((_, i) => [0, 1, 2, 4, 8, 15].includes(i)),
    [
      'conv1_1 0 block1_conv1',
      'conv1_2 2 block1_conv2',
      'conv2_1 5 block2_conv1',
      'conv3_1 10 block3_conv1',
      'conv4_1 19 block4_conv1',
      'conv5_4 34 block5_conv4',
    ],
  )
  assert.equal(VGG19_CONVOLUTIONS.length, 16)
  assert.deepEqual(VGG19_CONVOLUTIONS.at(-1)!.shape, [3, 3, 512, 512])
})

test('VGG19 from a safetensors file of torchvision and from a model of Keras is VGG19 in plain loops', async () => {
  const weights = VGG19_CONVOLUTIONS.map(({ shape: [, , channels, filters] }, i) => sparseKernel(channels, filters, i))
  const side = 32
  const layers = { conv1_2: 1, relu2_1: 1, conv5_4: 0.5, relu5_4: 1 }
  const images = pictures([1, side, side, 3])
  const [torch, caffe] = (['torch', 'caffe'] as const).map(input => plainVgg(prepareInput(tf, images, input).dataSync(), side, weights))

  const file = join(home, 'vgg19.safetensors')
  const tensors = weights.flatMap(({ kernel, bias, channels, filters }, i) => {
    const { index } = VGG19_CONVOLUTIONS[i]!
    return [
      { name: `features.${index}.weight`, shape: [filters, channels, 3, 3], data: turned(kernel, channels, filters) },
      { name: `features.${index}.bias`, shape: [filters], data: bias },
    ]
  })
  await writeFile(file, safetensors(tensors))
  const features = await openFeatures(tf, { network: 'vgg19', file, layers })
  for (const [name, map] of Object.entries(features.features(images))) close(map, torch![name]!, name)
  const sum = createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
  assert.equal(
    features.describe(),
    `VGG19 (vgg19.safetensors, sha256 ${sum}); conv1_2 before activation × 1, relu2_1 × 1, conv5_4 before activation × 0.5, relu5_4 × 1`,
  )

  const folder = join(home, 'keras-vgg19')
  await saveModel(kerasVgg(weights), folder)
  const keras = await openFeatures(tf, { network: 'vgg19', file: folder, layers })
  for (const [name, map] of Object.entries(keras.features(images))) close(map, caffe![name]!, name)
  const recommended = await openFeatures(tf, { network: 'vgg19', file: folder, layers: {} })
  assert.deepEqual(recommended.layers, { conv5_4: 1 })
})

test('a download of torchvision that is not what its name says is refused', async () => {
  const file = join(home, 'vgg19-dcbb9e9d.pth')
  await writeFile(file, 'half of it')
  const sum = createHash('sha256').update('half of it').digest('hex')
  await assert.rejects(openFeatures(tf, { network: 'vgg19', file, layers: {} }), {
    code: 'invalid-weights',
    message: `${file} is damaged: by its name its sha256 begins with dcbb9e9d, and it is ${sum}`,
  })
})

test('a file that does not hold VGG19 is refused', async () => {
  const file = join(home, 'other.safetensors')
  await writeFile(file, safetensors([{ name: 'features.0.weight', shape: [8, 3, 3, 3], data: numbers([216], 1) }]))
  const open = openFeatures(tf, { network: 'vgg19', file, layers: {} })
  await assert.rejects(open, { code: 'invalid-weights', message: /conv1_1 must be a kernel \[3,3,3,64\] and a bias/, got: 'no conv1_1' })
})

test('a network that is not at hand says what to bring and what to do instead', async () => {
  const open = (options: Partial<FeatureOptions>) => openFeatures(tf, { network: 'vgg19', layers: {}, ...options })
  await assert.rejects(open({}), {
    code: 'missing-feature-network',
    param: 'losses.feature.file',
    message: /vgg19-dcbb9e9d\.pth.*losses\.feature\.network to inception/,
  })
  await assert.rejects(open({ file: join(home, 'nothing.pth') }), { code: 'missing-feature-network', message: /nothing\.pth is not there/ })
  await assert.rejects(open({ network: 'inception' }), { code: 'missing-feature-network', message: /npm run setup -- features/ })
  await assert.rejects(open({ network: 'critic' }), { code: 'invalid-option', param: 'losses.feature.network' })
  await assert.rejects(open({ network: 'model' }), { code: 'invalid-option', param: 'losses.feature.file' })
})

test('any tfjs layers model in a folder serves, its weights in one file or several', async () => {
  const folder = join(home, 'sample')
  await saveModel(network, folder)
  await splitWeights(folder)
  const x = pictures([1, 9, 8, 3])
  const layers = { 'conv:linear': 1, last: 0.25 }
  const opened = await openFeatures(tf, { network: 'model', file: folder, input: 'tf', layers })
  const expected = tapLayers(tf, network, Object.keys(layers))(x.mul(2).sub(1))
  for (const [name, map] of Object.entries(opened.features(x))) same(map, expected[name]!, 1e-6)
  assert.equal(opened.describe(), 'the model sample; conv:linear before activation × 1, last × 0.25')
  // Its weights are no variables to be trained: only those of the first network are.
  const own = tapLayers(tf, network, ['last'])
  const { grads } = tf.variableGrads(() => tf.add(own(x).last!, opened.features(x).last!).mean())
  assert.equal(Object.keys(grads).length, network.trainableWeights.length)
  await assert.rejects(openFeatures(tf, { network: 'model', file: folder, layers: {} }), {
    code: 'invalid-option',
    param: 'losses.feature.layers',
    expected: /^conv, conv:linear/,
  })
})

test('the InceptionV3 of a packed nsfwjs becomes a model folder, with its licence', async () => {
  const folder = join(home, 'packed')
  await saveModel(network, folder)
  const json = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'))
  const bytes = await readFile(join(folder, 'weights.bin'))
  const half = bytes.length >> 1
  json.weightsManifest[0].paths = ['group1-shard1of2', 'group1-shard2of2']
  const umd = (value: unknown) => `!function(e){module.exports=e()}(function(){return ${JSON.stringify(value)}})`
  const packed = tarball({
    'package/LICENSE': 'MIT',
    'package/dist/models/inception_v3/model.min.js': umd(json),
    'package/dist/models/inception_v3/group1-shard1of2.min.js': umd(bytes.subarray(0, half).toString('base64')),
    'package/dist/models/inception_v3/group1-shard2of2.min.js': umd(bytes.subarray(half).toString('base64')),
  })
  await unpackInception(packed, inceptionFolder())
  assert.equal(await readFile(join(inceptionFolder(), 'LICENSE'), 'utf8'), 'MIT')
  const x = pictures([1, 9, 8, 3])
  same((await loadModel(tf, inceptionFolder())).predict(x) as TF.Tensor, network.predict(x) as TF.Tensor, 0)
  const opened = await openFeatures(tf, { network: 'inception', layers: { norm: 1 } })
  assert.equal(opened.describe(), 'InceptionV3 of nsfwjs@4.4.0; norm before activation × 1')
})

interface Sparse {
  /** [3,3,in,out] */
  kernel: Float32Array
  bias: Float32Array
  channels: number
  filters: number
}

/** Every filter looks at two channels, so that plain loops are quick; scaled so that the numbers keep their size. */
function sparseKernel(channels: number, filters: number, seed: number): Sparse {
  const next = random(seed + 1)
  const kernel = new Float32Array(9 * channels * filters)
  for (let f = 0; f < filters; f++) {
    for (const c of lookedAt(f, channels)) {
      for (let k = 0; k < 9; k++) kernel[(k * channels + c) * filters + f] = 0.8 * (next() - 0.4)
    }
  }
  return { kernel, bias: Float32Array.from({ length: filters }, () => 0.2 * (next() - 0.5)), channels, filters }
}

function lookedAt(filter: number, channels: number): number[] {
  return [filter % channels, (filter * 7 + 1) % channels]
}

/** [3,3,in,out] as PyTorch has it: [out,in,3,3]. */
function turned(kernel: Float32Array, channels: number, filters: number): Float32Array {
  const result = new Float32Array(kernel.length)
  for (let f = 0; f < filters; f++) {
    for (const c of lookedAt(f, channels)) {
      for (let k = 0; k < 9; k++) result[(f * channels + c) * 9 + k] = kernel[(k * channels + c) * filters + f]!
    }
  }
  return result
}

/** VGG19 by its definition, in float64: maps by the names of the layers. */
function plainVgg(image: ArrayLike<number>, side: number, weights: Sparse[]): Record<string, Float64Array> {
  const maps: Record<string, Float64Array> = {}
  let x: Float64Array = Float64Array.from(image)
  for (const [i, { name }] of VGG19_CONVOLUTIONS.entries()) {
    const { kernel, bias, channels, filters } = weights[i]!
    if (name.endsWith('_1') && i > 0) {
      x = pooled(x, side, channels)
      side /= 2
    }
    const y = new Float64Array(side * side * filters)
    for (let p = 0; p < side * side; p++) {
      const [row, column] = [Math.floor(p / side), p % side]
      for (let f = 0; f < filters; f++) {
        let sum = bias[f]!
        for (const c of new Set(lookedAt(f, channels))) {
          for (let k = 0; k < 9; k++) {
            const [v, u] = [row + Math.floor(k / 3) - 1, column + (k % 3) - 1]
            if (v >= 0 && u >= 0 && v < side && u < side)
              sum += kernel[(k * channels + c) * filters + f]! * x[(v * side + u) * channels + c]!
          }
        }
        y[p * filters + f] = sum
      }
    }
    maps[name] = y
    x = y.map(value => Math.max(0, value))
    maps[name.replace('conv', 'relu')] = x
  }
  return maps
}

function pooled(x: Float64Array, side: number, channels: number): Float64Array {
  const half = side / 2
  return Float64Array.from({ length: half * half * channels }, (_, i) => {
    const [p, c] = [Math.floor(i / channels), i % channels]
    const first = (2 * Math.floor(p / half) * side + 2 * (p % half)) * channels + c
    return Math.max(...[0, 1, side, side + 1].map(offset => x[first + offset * channels]!))
  })
}

/** As Keras has it: activations inside the convolutions, a picture of 224×224. */
function kerasVgg(weights: Sparse[]): TF.LayersModel {
  const input = tf.input({ shape: [224, 224, 3] })
  let x = input
  for (const [i, { keras, shape }] of VGG19_CONVOLUTIONS.entries()) {
    if (keras.endsWith('conv1') && i > 0) x = tf.layers.maxPooling2d({ poolSize: 2 }).apply(x) as TF.SymbolicTensor
    const layer = tf.layers.conv2d({
      name: keras,
      filters: shape[3],
      kernelSize: 3,
      padding: 'same',
      activation: 'relu',
      kernelInitializer: 'zeros',
    })
    x = layer.apply(x) as TF.SymbolicTensor
    layer.setWeights([tf.tensor4d(weights[i]!.kernel, shape), tf.tensor1d(weights[i]!.bias)])
  }
  return tf.model({ inputs: input, outputs: x })
}

function safetensors(tensors: { name: string; shape: number[]; data: Float32Array }[]): Buffer {
  let at = 0
  const header = tensors.map(({ name, shape, data }) => {
    const data_offsets = [at, at + data.byteLength]
    at += data.byteLength
    return [name, { dtype: 'F32', shape, data_offsets }]
  })
  const text = Buffer.from(JSON.stringify(Object.fromEntries(header)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([length, text, ...tensors.map(({ data }) => new Uint8Array(data.buffer))])
}

/** As converters write it: shards that end anywhere, in two groups. */
async function splitWeights(folder: string): Promise<void> {
  const json = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'))
  const bytes = await readFile(join(folder, 'weights.bin'))
  const { weights } = json.weightsManifest[0] as { weights: { shape: number[] }[] }
  const first = 4 * weights[0]!.shape.reduce((product, side) => product * side, 1)
  await writeFile(join(folder, 'a'), bytes.subarray(0, first))
  await writeFile(join(folder, 'b1'), bytes.subarray(first, first + 101))
  await writeFile(join(folder, 'b2'), bytes.subarray(first + 101))
  json.weightsManifest = [
    { paths: ['a'], weights: weights.slice(0, 1) },
    { paths: ['b1', 'b2'], weights: weights.slice(1) },
  ]
  await writeFile(join(folder, 'model.json'), JSON.stringify(json))
}

function tarball(files: Record<string, string>): Buffer {
  const blocks = Object.entries(files).flatMap(([name, text]) => {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write(`${Buffer.byteLength(text).toString(8).padStart(11, '0')}\0`, 124)
    header.write('0', 156)
    return [header, Buffer.from(text), Buffer.alloc((512 - (Buffer.byteLength(text) % 512)) % 512)]
  })
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]))
}

function same(actual: TF.Tensor, expected: TF.Tensor, tolerance: number): void {
  assert.deepEqual(actual.shape, expected.shape)
  const off = actual.sub(expected).abs().max().dataSync()[0]!
  assert.ok(off <= tolerance * (1 + expected.abs().max().dataSync()[0]!), `${off} off`)
}

function close(actual: TF.Tensor, expected: Float64Array, what: string): void {
  const values = Float64Array.from(actual.dataSync())
  assert.equal(values.length, expected.length)
  const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const off = values.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
  assert.ok(size > 1e-3 && off <= 1e-5 * size, `${what}: ${off} off, the largest is ${size}`)
}
