import assert from 'node:assert/strict'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import fc from 'fast-check'
import { useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { generatorSchema, makeGenerator } from '../../nets/generator.js'
import { layersOf } from '../../nets/layers.js'
import { random } from '../support/draw.js'
import { SMALL_GENERATORS } from '../support/generators.js'

const tf = await useEngine('wasm')
const ours = layersOf(tf)

for (const [name, { config, scale }] of Object.entries(SMALL_GENERATORS)) {
  if (name.includes('instance')) continue
  test(`${name}: one pixel reaches as far as the receptive field says, and no further`, () => {
    const generator = makeGenerator(tf, config, scale, 1)
    assert.equal(measuredReach(generator, config.kind === 'encoder-decoder' ? 0.5 : 0), networkFacts(generator).receptiveField)
    generator.dispose()
  })
}

test('a network with instance norm, and one that pools the picture, see it whole', () => {
  const { config, scale } = SMALL_GENERATORS['srresnet instance ×3']!
  assert.equal(networkFacts(makeGenerator(tf, config, scale, 1)).receptiveField, null)
  const input = tf.input({ shape: [8, 8, 3] })
  const gate = tf.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(input) as TF.SymbolicTensor
  const weighed = tf.layers.dense({ units: 2 }).apply(gate) as TF.SymbolicTensor
  assert.deepEqual(networkFacts(tf.model({ inputs: input, outputs: weighed })), {
    receptiveField: null,
    sizeMultiple: 1,
    parameters: 8,
    flopsPerPixel: (2 * 6) / 64,
  })
})

/** Layers that change what a position looks at, of three channels each, by name. */
const blocks: Record<string, () => TF.layers.Layer[]> = {
  'conv 3': () => [ours.conv({ filters: 3, kernelSize: 3, gain: 1, seed: 1 })],
  'conv 1 by 4': () => [tf.layers.conv2d({ filters: 3, kernelSize: [1, 4], padding: 'same' })],
  dilated: () => [tf.layers.conv2d({ filters: 3, kernelSize: 3, dilationRate: 2, padding: 'same' })],
  'stride 2': () => [ours.stridedConv({ filters: 3, kernelSize: 4, stride: 2, deviation: 1, seed: 1 })],
  'stride 2, odd': () => [tf.layers.conv2d({ filters: 3, kernelSize: 3, strides: 2, padding: 'same' })],
  'stride 3': () => [tf.layers.depthwiseConv2d({ kernelSize: 5, strides: 3, padding: 'same' })],
  'transposed 2': () => [tf.layers.conv2dTranspose({ filters: 3, kernelSize: 4, strides: 2, padding: 'same' })],
  'transposed 3': () => [tf.layers.conv2dTranspose({ filters: 3, kernelSize: 5, strides: 3, padding: 'same' })],
  'nearest 2': () => [tf.layers.upSampling2d({ size: [2, 2] })],
  'bilinear 2': () => [tf.layers.upSampling2d({ size: [2, 2], interpolation: 'bilinear' })],
  'bicubic 3': () => [ours.bicubicEnlarge({ scale: 3 })],
  'bilinear 3, from centre to centre': () => [ours.bilinearEnlarge({ scale: 3 })],
  'shuffle 2': () => [ours.repeatChannels({ times: 4 }), ours.pixelShuffle({ scale: 2 })],
  'unshuffle 2': () => [ours.pixelUnshuffle({ scale: 2 }), ours.conv({ filters: 3, kernelSize: 1, gain: 1, seed: 2 })],
  'valid, padded': () => [
    tf.layers.zeroPadding2d({
      padding: [
        [1, 2],
        [0, 3],
      ],
    }),
    tf.layers.conv2d({ filters: 3, kernelSize: 4, padding: 'valid' }),
  ],
  average: () => [tf.layers.averagePooling2d({ poolSize: 2, strides: 2, padding: 'same' })],
  'maximum of 3': () => [tf.layers.maxPooling2d({ poolSize: 3, strides: 1, padding: 'same' })],
  separable: () => [tf.layers.separableConv2d({ filters: 3, kernelSize: [3, 4], padding: 'same' })],
  'valid, mirrored': () => [ours.reflectionPadding({ padding: [2, 1] }), tf.layers.conv2d({ filters: 3, kernelSize: [5, 3] })],
  'cropped, padded elsewhere': () => [
    tf.layers.cropping2D({
      cropping: [
        [1, 0],
        [0, 2],
      ],
    }),
    tf.layers.zeroPadding2d({
      padding: [
        [0, 1],
        [2, 0],
      ],
    }),
  ],
  dense: () => [tf.layers.dense({ units: 3 })],
  nested: () => {
    const input = tf.input({ shape: [null, null, 3] })
    const inner = tf.layers.conv2d({ filters: 3, kernelSize: 3, padding: 'same' }).apply(input) as TF.SymbolicTensor
    return [tf.model({ inputs: input, outputs: tf.layers.average().apply([inner, input]) as TF.SymbolicTensor })]
  },
}

test('in any chain of layers, one pixel reaches as far as the receptive field says', () => {
  const names = fc.array(fc.constantFrom(...Object.keys(blocks)), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(names, names => {
      const input = tf.input({ shape: [null, null, 3] })
      const output = names.flatMap(name => blocks[name]!()).reduce((x, layer) => layer.apply(x) as TF.SymbolicTensor, input)
      const model = tf.model({ inputs: input, outputs: output })
      const { receptiveField, sizeMultiple } = networkFacts(model)
      fc.pre(sizeMultiple <= 12)
      assert.equal(measuredReach(model), receptiveField)
      model.dispose()
    }),
    { numRuns: 60, seed: 3 },
  )
})

test('branches of different reach come together at the wider one', () => {
  const input = tf.input({ shape: [null, null, 3] })
  const near = ours.conv({ filters: 3, kernelSize: 1, gain: 1, seed: 1 }).apply(input) as TF.SymbolicTensor
  const far = ours.conv({ filters: 3, kernelSize: 7, gain: 1, seed: 1 }).apply(input) as TF.SymbolicTensor
  const joined = tf.layers.concatenate().apply([near, far, input]) as TF.SymbolicTensor
  const model = tf.model({
    inputs: input,
    outputs: ours.conv({ filters: 3, kernelSize: 3, gain: 1, seed: 1 }).apply(joined) as TF.SymbolicTensor,
  })
  assert.equal(networkFacts(model).receptiveField, 4)
  assert.equal(measuredReach(model), 4)
})

test('the size multiple is what the strides together ask for', () => {
  const multiple = (kind: object, scale: number) => {
    const generator = makeGenerator(tf, generatorSchema.parse(kind), scale, 0)
    const facts = networkFacts(generator)
    generator.dispose()
    return facts.sizeMultiple
  }
  const small = { kind: 'rrdb', channels: 4, blocks: 1, growth: 2 }
  assert.deepEqual(
    [1, 2, 4].map(scale => multiple(small, scale)),
    [4, 2, 1],
  )
  assert.equal(multiple({ kind: 'encoder-decoder', channels: 2, depth: 3 }, 2), 8)
  assert.equal(multiple({ kind: 'fast' }, 4), 1)
})

test('parameters and operations are those that the papers and the authors name', () => {
  const facts = (options: object, scale: number) => {
    const generator = makeGenerator(tf, generatorSchema.parse(options), scale, 0)
    const result = networkFacts(generator)
    generator.dispose()
    return result
  }
  // Dong 2014 counts 8,032 weights for one channel: 9²·64 + 64·32 + 5²·32. In RGB: 9²·3·64 + 64·32 + 5²·32·3, and the biases.
  assert.equal(facts({ kind: 'srcnn', kernels: [9, 1, 5] }, 3).parameters, 15_552 + 2048 + 2400 + 99)
  // EDSR's baseline for ×2 has 1,369,859 parameters in the authors' code.
  assert.equal(facts({ kind: 'srresnet', norm: 'none' }, 2).parameters, 1_369_859)
  // BasicSR's MSRResNet, ×4, 16 blocks, has 1,517,571.
  assert.equal(facts({ kind: 'msrresnet' }, 4).parameters, 1_517_571)
  // RRDBNet of BasicSR, ×4, has 16,697,987; SRVGGNetCompact, ×4, 16 convolutions: 621,424.
  assert.equal(facts({ kind: 'rrdb', blocks: 2 }, 4).parameters, 16_697_987 - 21 * 719_424)
  assert.equal(facts({ kind: 'srvgg' }, 4).parameters, 621_424)
  // A transposed convolution multiplies once an input pixel, a convolution behind a shuffle once an output pixel.
  const fsrcnn = facts({ kind: 'fsrcnn', features: 2, shrunk: 2, mappings: 0 }, 3)
  assert.equal(fsrcnn.flopsPerPixel, 2 * (25 * 3 * 2 + 2 * 2 + 2 * 2 + 81 * 2 * 3))
  const srcnn = facts({ kind: 'srcnn', kernels: [3, 1, 1], channels: [2, 2] }, 2)
  assert.equal(srcnn.flopsPerPixel, 2 * (25 * 3 * 12 + 4 * (9 * 3 * 2 + 2 * 2 + 2 * 3)))
})

test('the default network keeps its bounds', () => {
  const generator = makeGenerator(tf, generatorSchema.parse({ kind: 'fast' }), 4, 0)
  const { parameters, receptiveField, sizeMultiple } = networkFacts(generator)
  assert.ok(parameters <= 120_000, `${parameters} parameters`)
  assert.deepEqual([receptiveField, sizeMultiple], [13, 1])
})

test('a network counts the same alone and within another', () => {
  const { config, scale } = SMALL_GENERATORS['srresnet instance ×3']!
  const generator = makeGenerator(tf, config, scale, 1)
  const input = tf.input({ shape: [null, null, 3] })
  const outer = tf.model({ inputs: input, outputs: generator.apply(input) as TF.SymbolicTensor })
  assert.deepEqual(networkFacts(outer), networkFacts(generator))
})

test('what is normalised by groups, or along more than the channels, sees the picture whole', () => {
  const seen = (layer: TF.layers.Layer) => {
    const input = tf.input({ shape: [8, 6, 4] })
    return networkFacts(tf.model({ inputs: input, outputs: layer.apply(input) as TF.SymbolicTensor })).receptiveField
  }
  assert.equal(seen(ours.groupNorm({ groups: 2 })), null)
  assert.equal(seen(tf.layers.layerNormalization({ axis: [1, 2] })), null)
  assert.equal(seen(tf.layers.softmax({ axis: [1, 2] })), null)
  assert.equal(seen(tf.layers.reshape({ targetShape: [6, 8, 4] })), null)
  assert.equal(seen(tf.layers.layerNormalization()), 0)
  assert.equal(seen(tf.layers.softmax({ axis: -1 })), 0)
})

test('a separable convolution multiplies with both its kernels', () => {
  const input = tf.input({ shape: [null, null, 3] })
  const layer = tf.layers.separableConv2d({ filters: 5, kernelSize: 3, depthMultiplier: 2, padding: 'same' })
  const { flopsPerPixel } = networkFacts(tf.model({ inputs: input, outputs: layer.apply(input) as TF.SymbolicTensor }))
  assert.equal(flopsPerPixel, 2 * (9 * 3 * 2 + 6 * 5))
})

test('a layer that is not known is named, unless it may see what it likes', () => {
  class Hiss extends tf.layers.Layer {
    static className = 'Hiss'
  }
  const input = tf.input({ shape: [null, null, 3] })
  const model = tf.model({ inputs: input, outputs: new Hiss({ name: 'hiss' }).apply(input) as TF.SymbolicTensor })
  assert.throws(() => networkFacts(model), { code: 'unsupported-layer', param: 'hiss', got: 'Hiss', message: /Conv2D/ })
  assert.equal(networkFacts(model, ['Hiss']).receptiveField, null)
})

test('an enlargement that an architecture cannot have is refused, naming the scale', () => {
  const config = generatorSchema.parse({ kind: 'rrdb', channels: 4, blocks: 1, growth: 2 })
  assert.throws(() => makeGenerator(tf, config, 3, 0), { code: 'invalid-option', param: 'scale', got: '3' })
})

/**
 * The largest distance at which changing one pixel of the input changes the answer, over all places that a pixel may have in the
 * network's grid. Weights are positive and the picture is what the network takes for nothing, so that nothing is cut off, cancels
 * or is lost to rounding.
 */
function measuredReach(model: TF.LayersModel, nothing = 0): number {
  return tf.tidy(() => {
    for (const weight of model.trainableWeights) {
      if (weight.shape.length > 1) weight.write(positive(weight))
    }
    const { receptiveField, sizeMultiple } = networkFacts(model)
    const side = sizeMultiple * Math.ceil((2 * receptiveField! + 2 * sizeMultiple + 3) / sizeMultiple)
    const middle = sizeMultiple * Math.floor(side / 2 / sizeMultiple)
    const picture = tf.fill([1, side, side, 3], nothing)
    const before = model.predict(picture) as TF.Tensor4D
    const [, height, width] = before.shape
    let reach = 0
    for (let i = 0; i < sizeMultiple; i++) {
      const at = Math.min(side - 1, middle + i)
      const change = tf.pad(tf.fill([1, 1, 1, 3], 8) as TF.Tensor4D, [
        [0, 0],
        [at, side - 1 - at],
        [at, side - 1 - at],
        [0, 0],
      ])
      const after = model.predict(picture.add(change)) as TF.Tensor4D
      const changed = tf.notEqual(before, after).any(-1).dataSync()
      for (const [p, yes] of changed.entries()) {
        if (!yes) continue
        const [y, x] = [
          Math.floor(((Math.floor(p / width) * side) / height) * (1 + 1e-9)),
          Math.floor((((p % width) * side) / width) * (1 + 1e-9)),
        ]
        reach = Math.max(reach, Math.abs(y - at), Math.abs(x - at))
      }
    }
    return reach
  })
}

/** Kernels whose answers are averages: the signal neither grows nor dies. */
function positive(weight: TF.LayerVariable): TF.Tensor {
  const next = random(9)
  const shape = weight.shape as number[]
  const numbers = tf.tensor(
    Float32Array.from({ length: weight.read().size }, () => 0.5 + next()),
    shape,
  )
  return numbers.div(numbers.sum().div(shape.at(-1)!))
}
