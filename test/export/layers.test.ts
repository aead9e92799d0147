import assert from 'node:assert/strict'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import fc from 'fast-check'
import { layersOf } from '../../nets/layers.js'
import { difference, network, networkOf, tf } from './compare.js'

const { layers } = tf
const ours = layersOf(tf)
type Shape = (number | null)[]
type Layer = TF.layers.Layer
type Value = TF.SymbolicTensor

/** Each of tfjs' layers and each of its options, exported: the same answers as in tfjs, but for rounding. */
const LIMIT = 1e-5

/** A picture of free size, and sizes for it: odd, even, wide, tall. */
const FREE: Shape = [null, null, 4]
const SIZES = [
  [9, 12],
  [8, 5],
]

async function agrees(model: TF.LayersModel, sizes: readonly (readonly number[])[] = [[]]): Promise<void> {
  const largest = await difference(model, sizes)
  model.dispose()
  assert.ok(largest <= LIMIT, `differs by ${largest}`)
}

/** A layer alone. Sizes for the free sides of the input are [9, 12] and [8, 5]. */
function alone(name: string, shape: Shape, make: () => Layer): void {
  test(name, () =>
    agrees(
      network(shape, x => make().apply(x) as Value),
      SIZES,
    ),
  )
}

/** A layer that takes several values. */
function merging(name: string, shapes: Shape[], make: () => Layer, sizes = SIZES): void {
  test(name, () =>
    agrees(
      networkOf(shapes, values => make().apply(values) as Value),
      sizes,
    ),
  )
}

/** A layer of any such options, alone. */
function any<T>(
  name: string,
  numRuns: number,
  options: fc.Arbitrary<T>,
  build: (options: T) => { shape: Shape; layer: Layer; size?: number[] },
) {
  test(name, () =>
    fc.assert(
      fc.asyncProperty(options, async options => {
        const { shape, layer, size } = build(options)
        await agrees(
          network(shape, x => layer.apply(x) as Value),
          size ? [size] : [[]],
        )
      }),
      { numRuns, seed: 5 },
    ),
  )
}

const RANKS: Record<string, Shape> = { vectors: [6], rows: [5, 3], pictures: FREE, blocks: [2, 3, 2, 4] }

// Activations.

const ACTIVATIONS = [
  ...['linear', 'relu', 'relu6', 'elu', 'selu', 'tanh', 'sigmoid', 'hardSigmoid', 'softplus', 'softsign', 'softmax', 'logSoftmax'],
  ...['swish', 'mish', 'gelu', 'gelu_new'],
] as 'relu'[]

for (const activation of ACTIVATIONS) {
  for (const [rank, shape] of Object.entries(RANKS)) {
    alone(`Activation ${activation} of ${rank}`, shape, () => layers.activation({ activation }))
  }
  alone(`Conv2D with ${activation}`, FREE, () => layers.conv2d({ filters: 3, kernelSize: 2, activation }))
  alone(`Conv1D with ${activation}`, [7, 3], () => layers.conv1d({ filters: 4, kernelSize: 2, activation }))
  alone(`DepthwiseConv2D with ${activation}`, FREE, () => layers.depthwiseConv2d({ kernelSize: 2, activation }))
  alone(`SeparableConv2D with ${activation}`, FREE, () => layers.separableConv2d({ filters: 3, kernelSize: 2, activation }))
  alone(`Conv2DTranspose with ${activation}`, FREE, () => layers.conv2dTranspose({ filters: 3, kernelSize: 2, activation }))
  alone(`Dense with ${activation}`, [5], () => layers.dense({ units: 4, activation }))
  alone(`Dense with ${activation} of pictures`, FREE, () => layers.dense({ units: 3, activation }))
}

for (const [rank, shape] of Object.entries(RANKS)) {
  alone(`ReLU of ${rank}`, shape, () => layers.reLU())
  alone(`ReLU with a maximum of ${rank}`, shape, () => layers.reLU({ maxValue: 0.5 }))
  alone(`LeakyReLU of ${rank}`, shape, () => layers.leakyReLU())
  for (const alpha of [0, 0.05, 1, 2]) alone(`LeakyReLU of slope ${alpha} of ${rank}`, shape, () => layers.leakyReLU({ alpha }))
  alone(`ELU of ${rank}`, shape, () => layers.elu())
  for (const theta of [0, 0.3]) alone(`ThresholdedReLU above ${theta} of ${rank}`, shape, () => layers.thresholdedReLU({ theta }))
  alone(`Softmax along the last axis of ${rank}`, shape, () => layers.softmax({ axis: -1 }))
}
alone('Softmax, default axis', [6], () => layers.softmax())
alone('Softmax along an array of one axis', [5, 3], () => layers.softmax({ axis: [2] }))
for (const axis of [
  [1, 2],
  [1, 2, 3],
  [2, 3],
  [1, 3],
  [-1, -3],
]) {
  alone(`Softmax along axes ${axis} of pictures`, [4, 5, 3], () => layers.softmax({ axis }))
}
alone('Softmax along axes 1, 2 of rows', [5, 3], () => layers.softmax({ axis: [1, 2] }))

/** All choices of these. */
function subsets<T>(items: T[]): T[][] {
  const [first, ...rest] = items
  if (first === undefined) return [[]]
  const without = subsets(rest)
  return [...without, ...without.map(set => [first, ...set])]
}

for (const shared of subsets([1, 2, 3]))
  alone(`PReLU shared along ${shared} of pictures`, [4, 5, 3], () => layers.prelu({ sharedAxes: shared }))
for (const shared of subsets([1, 2])) alone(`PReLU shared along ${shared} of rows`, [5, 3], () => layers.prelu({ sharedAxes: shared }))
for (const shared of [
  [1, 2],
  [1, 2, 3],
])
  alone(`PReLU shared along ${shared} of pictures of free size`, FREE, () => layers.prelu({ sharedAxes: shared }))
alone('PReLU of vectors', [6], () => layers.prelu())
alone('PReLU of vectors, one slope', [6], () => layers.prelu({ sharedAxes: 1 as never }))

// What works in training only.

for (const [name, make] of Object.entries({
  Dropout: () => layers.dropout({ rate: 0.5 }),
  GaussianNoise: () => layers.gaussianNoise({ stddev: 1 }),
  GaussianDropout: () => layers.gaussianDropout({ rate: 0.5 }),
  AlphaDropout: () => layers.alphaDropout({ rate: 0.5 }),
})) {
  for (const [rank, shape] of Object.entries(RANKS)) alone(`${name} of ${rank}`, shape, make)
}
alone('SpatialDropout1D', [5, 3], () => layers.spatialDropout1d({ rate: 0.5 }))

// Convolutions.

const side = fc.integer({ min: 1, max: 9 })
const kernel = fc.integer({ min: 1, max: 5 })
const step = fc.integer({ min: 1, max: 3 })
const padding = fc.constantFrom('same' as const, 'valid' as const)
const channels = fc.integer({ min: 1, max: 4 })
const convolution = {
  filters: channels,
  channels,
  kernelSize: fc.tuple(kernel, kernel),
  strides: fc.tuple(step, step),
  dilationRate: fc.tuple(step, step),
  padding,
  useBias: fc.boolean(),
  sides: fc.tuple(side, side),
  /** Whether the network knows the picture's height, and its width. */
  known: fc.tuple(fc.boolean(), fc.boolean()),
}

/** The picture that a window of such options moves over, large enough for it. */
function picture({ sides, known, channels, ...options }: { sides: number[]; known: boolean[]; channels: number } & Window): {
  shape: Shape
  size: number[]
} {
  const least = (options.kernelSize ?? options.poolSize)!.map((k, i) =>
    options.padding === 'valid' ? (options.dilationRate?.[i] ?? 1) * (k - 1) + 1 : 1,
  )
  const size = sides.map((side, i) => Math.max(side, least[i]!))
  return { shape: [...size.map((side, i) => (known[i] ? side : null)), channels], size: size.filter((_, i) => !known[i]) }
}

interface Window {
  kernelSize?: number[]
  poolSize?: number[]
  padding: string
  dilationRate?: number[]
}

/** tfjs has strides or dilations, not both. */
const dilatedOrStrided = <T extends { strides: number[]; dilationRate: number[] }>(options: T) =>
  options.strides.some(stride => stride > 1) ? { ...options, dilationRate: options.dilationRate.map(() => 1) as never } : options

any('Conv2D of any kernel, stride, dilation and padding', 150, fc.record(convolution).map(dilatedOrStrided), options => ({
  ...picture(options),
  layer: layers.conv2d(options),
}))
const { dilationRate: _, ...undilated } = convolution
any('DepthwiseConv2D', 60, fc.record({ ...undilated, depthMultiplier: step }), options => ({
  ...picture(options),
  layer: layers.depthwiseConv2d(options),
}))
any('SeparableConv2D', 60, fc.record({ ...convolution, depthMultiplier: step }).map(dilatedOrStrided), options => ({
  ...picture(options),
  layer: layers.separableConv2d(options),
}))
any('Conv2DTranspose', 80, fc.record(undilated), options => ({
  ...picture({ ...options, padding: 'same' }),
  layer: layers.conv2dTranspose(options),
}))
any(
  'Conv1D',
  60,
  fc
    .record({ ...convolution, kernelSize: fc.tuple(kernel), strides: fc.tuple(step), dilationRate: fc.tuple(step), sides: fc.tuple(side) })
    .map(dilatedOrStrided),
  options => ({ ...picture(options), layer: layers.conv1d(options) }),
)
any(
  'Dense',
  60,
  fc.record({ units: channels, shape: fc.array(channels, { minLength: 1, maxLength: 4 }), useBias: fc.boolean() }),
  options => ({
    shape: options.shape,
    layer: layers.dense(options),
  }),
)
alone('Dense of rows of free length', [null, 3], () => layers.dense({ units: 2 }))

// Poolings.

const pool = { channels, poolSize: fc.tuple(kernel, kernel), padding, sides: fc.tuple(side, side), known: convolution.known }
const strides = fc.option(fc.tuple(step, step), { nil: undefined })
const pool1 = {
  channels,
  poolSize: fc.tuple(kernel),
  padding,
  sides: fc.tuple(side),
  known: convolution.known,
  strides: fc.option(fc.tuple(step), { nil: undefined }),
}
const pooling2d = { average: layers.averagePooling2d, maximum: layers.maxPooling2d }
const pooling1d = { average: layers.averagePooling1d, maximum: layers.maxPooling1d }
/** Where a pool is smaller than its stride, padding depends on the size in a way that ONNX Runtime's pools cannot follow. */
const followable = <T extends { poolSize: number[]; strides: number[] | undefined; padding: string }>(options: T) =>
  options.padding === 'same' && options.poolSize.some((k, i) => k < (options.strides?.[i] ?? k))
    ? { ...options, known: [true, true] }
    : options
for (const kind of ['average', 'maximum'] as const) {
  any(`Pooling2D, ${kind}`, 60, fc.record({ ...pool, strides }).map(followable), options => ({
    ...picture(options),
    layer: pooling2d[kind](options as never),
  }))
  any(`Pooling1D, ${kind}`, 40, fc.record(pool1).map(followable), options => ({
    ...picture(options),
    layer: pooling1d[kind](options as never),
  }))
  for (const strides of [1, 2, 3]) {
    alone(`Pooling2D, ${kind}, of single pixels, stride ${strides}`, FREE, () => pooling2d[kind]({ poolSize: 1, strides, padding: 'same' }))
  }
}
alone('GlobalAveragePooling2D', FREE, () => layers.globalAveragePooling2d({}))
alone('GlobalMaxPooling2D', FREE, () => layers.globalMaxPooling2d({}))
alone('GlobalAveragePooling1D', [5, 3], () => layers.globalAveragePooling1d({}))
alone('GlobalMaxPooling1D', [null, 3], () => layers.globalMaxPooling1d({}))

// Shapes.

const border = fc.tuple(fc.nat(3), fc.nat(3))
const picturesOf = fc.record({ sides: fc.tuple(side, side), known: convolution.known, channels })
const anyPicture = ({ sides, known, channels }: { sides: number[]; known: boolean[]; channels: number }, least = 1) =>
  picture({ sides: sides.map(side => Math.max(side, least)), known, channels, kernelSize: [1, 1], padding: 'same' })
any('ZeroPadding2D', 40, fc.tuple(picturesOf, fc.tuple(border, border)), ([shape, padding]) => ({
  ...anyPicture(shape),
  layer: layers.zeroPadding2d({ padding }),
}))
any('ReflectionPadding2D', 40, fc.tuple(picturesOf, fc.tuple(border, border)), ([shape, padding]) => ({
  ...anyPicture(shape, 4),
  layer: ours.reflectionPadding({ padding }),
}))
any('Cropping2D', 40, fc.tuple(picturesOf, fc.tuple(border, border)), ([shape, cropping]) => ({
  ...anyPicture(shape, 7),
  layer: layers.cropping2D({ cropping }),
}))
any(
  'UpSampling2D',
  40,
  fc.tuple(picturesOf, fc.tuple(step, step), fc.constantFrom('nearest' as const, 'bilinear' as const)),
  ([shape, size, interpolation]) => ({
    ...anyPicture(shape),
    layer: layers.upSampling2d({ size, interpolation }),
  }),
)
any(
  'Resizing',
  40,
  fc.tuple(picturesOf, side, side, fc.constantFrom('nearest' as const, 'bilinear' as const), fc.boolean()),
  ([shape, height, width, interpolation, crop]) => ({
    ...anyPicture(shape),
    layer: ours.resizing({ height, width, interpolation, cropToAspectRatio: crop }),
  }),
)

/** Sizes of which each divides their product in another way. */
const volume = fc.array(channels, { minLength: 1, maxLength: 5 })
any(
  'Flatten',
  40,
  fc.tuple(fc.array(channels, { minLength: 2, maxLength: 5 }), fc.constantFrom('channelsFirst', 'channelsLast', undefined)),
  ([shape, dataFormat]) => ({
    shape,
    layer: layers.flatten((dataFormat ? { dataFormat } : {}) as never),
  }),
)
any('Reshape', 80, fc.tuple(volume, volume, fc.nat(), fc.boolean()), ([shape, sizes, at, open]) => {
  // The new shape asks for some numbers; the rest goes where there is room.
  const total = shape.reduce((a, b) => a * b, 1)
  const targetShape: number[] = []
  for (const size of sizes) {
    const left = total / targetShape.reduce((a, b) => a * b, 1)
    targetShape.push(left % size === 0 ? size : 1)
  }
  const place = at % targetShape.length
  targetShape[place]! *= total / targetShape.reduce((a, b) => a * b, 1)
  if (open) targetShape[place] = -1
  return { shape, layer: layers.reshape({ targetShape }) }
})
any(
  'Permute',
  60,
  fc.array(channels, { minLength: 1, maxLength: 4 }).chain(shape =>
    fc.tuple(
      fc.constant(shape),
      fc.shuffledSubarray(
        shape.map((_, i) => i + 1),
        { minLength: shape.length },
      ),
    ),
  ),
  ([shape, dims]) => ({
    shape,
    layer: layers.permute({ dims }),
  }),
)
alone('Permute of pictures of free size', FREE, () => layers.permute({ dims: [2, 1, 3] }))
alone('Reshape of pictures of free width', [4, null, 2], () => layers.reshape({ targetShape: [-1, 8] }))
alone('Reshape to pictures of free width', [null, 8], () => layers.reshape({ targetShape: [-1, 2, 4] }))
alone('RepeatVector', [4], () => layers.repeatVector({ n: 3 }))

test('a pixel shuffle made of reshapes and a permutation', () =>
  agrees(
    network([3, 5, 12], x =>
      [
        layers.reshape({ targetShape: [3, 5, 2, 2, 3] }),
        layers.permute({ dims: [1, 3, 2, 4, 5] }),
        layers.reshape({ targetShape: [6, 10, 3] }),
      ].reduce((value, layer) => layer.apply(value) as Value, x),
    ),
  ))

test('what follows a crop of free size knows its size to be free', () =>
  agrees(
    network(FREE, x =>
      [
        layers.cropping2D({
          cropping: [
            [1, 1],
            [2, 0],
          ],
        }),
        layers.conv2d({ filters: 3, kernelSize: 3, strides: 2, padding: 'same' }),
        layers.maxPooling2d({ poolSize: 2, strides: 2, padding: 'same' }),
      ].reduce((value, layer) => layer.apply(value) as Value, x),
    ),
    SIZES,
  ))

// Merges.

const MERGES = { Add: layers.add, Multiply: layers.multiply, Average: layers.average, Maximum: layers.maximum, Minimum: layers.minimum }
for (const [name, make] of Object.entries(MERGES)) {
  for (const [rank, shape] of Object.entries(RANKS)) merging(`${name} of ${rank}`, [shape, shape, shape], () => make())
  merging(`${name} repeats vectors over rows`, [[3], [5, 3]], () => make())
  merging(`${name} repeats vectors over pictures`, [FREE, [4]], () => make())
  merging(`${name} repeats rows over pictures`, [[5, 3], [4, 5, 3], [3]], () => make())
  merging(`${name} repeats a pixel over pictures`, [FREE, [1, 1, 4]], () => make())
  merging(`${name} repeats a channel over pictures`, [[null, null, 1], FREE], () => make())
  merging(
    `${name} repeats a row against a column`,
    [
      [1, 5, 2],
      [4, 1, 2],
    ],
    () => make(),
  )
}
for (const [rank, shape] of Object.entries(RANKS)) merging(`Subtract of ${rank}`, [shape, shape], () => ours.subtract({}))

for (const [rank, shape] of Object.entries(RANKS)) {
  const axes = shape.map((_, i) => i + 1)
  for (const axis of [...axes, -1]) {
    merging(`Concatenate along ${axis} of ${rank}`, [shape, shape, shape], () => layers.concatenate({ axis }))
  }
}
merging('Concatenate of different channels', [FREE, [null, null, 2], [null, null, 1]], () => layers.concatenate())
merging(
  'Concatenate of different heights',
  [
    [3, 4, 2],
    [5, 4, 2],
  ],
  () => layers.concatenate({ axis: 1 }),
)

for (const normalize of [false, true]) {
  const unit = normalize ? ' of unit vectors' : ''
  merging(`Dot of vectors${unit}`, [[4], [4]], () => layers.dot({ axes: -1, normalize }))
  for (const a of [1, 2]) {
    for (const b of [1, 2]) {
      const shapes = [a === 1 ? [4, 3] : [3, 4], b === 1 ? [4, 2] : [2, 4]]
      merging(`Dot of matrices along ${a} and ${b}${unit}`, shapes, () => layers.dot({ axes: [a, b], normalize }))
    }
    merging(`Dot of vectors and matrices along ${a}${unit}`, [[4], a === 1 ? [4, 2] : [2, 4]], () =>
      layers.dot({ axes: [1, a], normalize }),
    )
    merging(`Dot of matrices and vectors along ${a}${unit}`, [a === 1 ? [4, 2] : [2, 4], [4]], () =>
      layers.dot({ axes: [a, 1], normalize }),
    )
  }
}

// Normalisations.

for (const [rank, shape] of Object.entries(RANKS)) {
  for (const [scale, center] of [
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ] as const) {
    const options = { scale, center, epsilon: 0.01 }
    const words = `${scale ? '' : ' without scale'}${center ? '' : ' without centre'} of ${rank}`
    if (rank !== 'blocks') alone(`BatchNormalization${words}`, shape, () => layers.batchNormalization(options))
    if (rank !== 'blocks') alone(`LayerNormalization${words}`, shape, () => layers.layerNormalization(options))
    if (rank === 'pictures') alone(`GroupNormalization${words}`, shape, () => ours.groupNorm({ ...options, groups: 2 }))
    if (rank === 'pictures') alone(`GroupNormalization a channel${words}`, shape, () => ours.groupNorm({ ...options, groups: -1 }))
  }
}
for (const axis of subsets([1, 2, 3]).filter(axes => axes.length > 0)) {
  alone(`LayerNormalization along ${axis} of pictures`, [4, 5, 3], () => layers.layerNormalization({ axis }))
}
for (const axis of [[1], [1, 2]]) alone(`LayerNormalization along ${axis} of rows`, [5, 3], () => layers.layerNormalization({ axis }))
alone('BatchNormalization, default options', FREE, () => layers.batchNormalization())
alone('BatchNormalization along a list of one axis, as tf.keras 2 writes it', FREE, () => layers.batchNormalization({ axis: [3] as never }))
alone('Rescaling', FREE, () => layers.rescaling({ scale: 1 / 255, offset: -0.5 }))
alone('Rescaling by channel', FREE, () => layers.rescaling({ scale: [1, 2, 3, 4], offset: [0.1, 0.2, 0.3, 0.4] } as never))
alone('Rescaling of vectors by place', [3], () => layers.rescaling({ scale: [1, 2, 3], offset: 0.5 } as never))
