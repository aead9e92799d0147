import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { exportGraph } from '../../export/export.js'
import { serialize } from '../../export/onnx.js'
import { largestDifference } from '../../export/verify.js'
import { useEngine } from '../../nets/engine.js'
import { loadModel, saveModel } from '../../nets/model-files.js'
import { openSession, type Planes } from '../../probe/session.js'
import { drawPhoto } from '../support/draw.js'
import { loadEsrgan, loadNsfw, upscalerjsLayers } from '../support/npm-models.js'
import { temporaryFolder } from '../support/training.js'

const tf = await useEngine('wasm')

for (const [size, scale] of [
  ['slim', 2],
  ['slim', 3],
  ['slim', 8],
  ['medium', 4],
] as const) {
  test(`@upscalerjs/esrgan-${size} ×${scale} answers in ONNX Runtime as in TensorFlow.js`, async t => {
    const model = await loadEsrgan(tf, size, scale)
    const pictures = [photo(20, 14), noise([1, 21, 9, 3]), noise([3, 8, 15, 3]), noise([1, 1, 1, 3])].map(x => tf.mul(x, 255))
    const [{ difference, span, shapes }] = await compare(model, exported(model), pictures)
    t.diagnostic(`difference ${difference.toExponential(1)} of ${span.toFixed(0)}`)
    assert.deepEqual(
      shapes,
      pictures.map(({ shape: [batch, height, width] }) => [batch, 3, height! * scale, width! * scale]),
    )
    assert.ok(span > 100, 'a network that answers nothing proves nothing')
    assert.ok(difference <= 1e-5 * span, `${difference} of ${span}`)
  })
}

for (const name of ['mobilenet_v2', 'inception_v3'] as const) {
  test(`${name} of nsfwjs answers in ONNX Runtime as in TensorFlow.js, and so do its last maps`, async t => {
    const whole = await loadNsfw(tf, name)
    const maps = whole.layers.find(layer => layer.getClassName() === 'Flatten')!.input as TF.SymbolicTensor
    const model = tf.model({ inputs: whole.inputs, outputs: [...whole.outputs, maps] })
    const [, height, width] = whole.inputs[0]!.shape as [null, number, number]
    const answers = await compare(model, exported(model), [tf.concat([photo(width, height), noise([1, height, width, 3])])])
    for (const [i, { difference, span }] of answers.entries()) {
      t.diagnostic(`${['probabilities', 'maps'][i]}: difference ${difference.toExponential(1)} of ${span.toFixed(1)}`)
      assert.ok(span > 0.5, 'a network that answers nothing proves nothing')
      assert.ok(difference <= 1e-5 * Math.max(1, span), `${difference} of ${span}`)
    }
  })
}

test('layers that @upscalerjs registers itself are known by their names and answer as its own classes do', async () => {
  const { MultiplyBeta, PixelShuffle2x } = upscalerjsLayers(tf, 2)
  const input = tf.input({ shape: [null, null, 3] })
  const convolution = tf.layers.conv2d({
    filters: 12,
    kernelSize: 3,
    padding: 'same',
    kernelInitializer: tf.initializers.glorotNormal({ seed: 1 }),
  })
  const scaled = new MultiplyBeta!().apply(convolution.apply(input))
  const theirs = tf.model({ inputs: input, outputs: new PixelShuffle2x!().apply(scaled) as TF.SymbolicTensor })
  const folder = join(await temporaryFolder(), 'theirs')
  await saveModel(theirs, folder)

  const [{ difference, span, shapes }] = await compare(theirs, exported(await loadModel(tf, folder)), [photo(20, 14), noise([3, 7, 5, 3])])
  assert.deepEqual(shapes, [
    [1, 3, 28, 40],
    [3, 3, 14, 10],
  ])
  assert.ok(span > 0.1 && difference <= 1e-6, `${difference} of ${span}`)
})

function exported(model: TF.LayersModel): Uint8Array {
  return serialize(exportGraph(model))
}

interface Compared {
  /** How far apart the two answers are at most. */
  difference: number
  /** How far apart tfjs' own numbers are. */
  span: number
  shapes: number[][]
}

/** By answer of the network, over all pictures. */
async function compare(model: TF.LayersModel, bytes: Uint8Array, pictures: TF.Tensor[]): Promise<[Compared, ...Compared[]]> {
  const session = await openSession(bytes)
  const runs: { want: Planes; got: Planes }[][] = []
  for (const picture of pictures) {
    const answers = [model.predict(picture)].flat()
    const got = await session.runAll([await planes(picture)])
    runs.push(await Promise.all(answers.map(async (answer, i) => ({ want: await planes(answer), got: got[i]! }))))
    tf.dispose(answers)
  }
  await session.close()
  return model.outputs.map((_, i): Compared => {
    const pairs = runs.map(run => run[i]!)
    for (const { want, got } of pairs) assert.deepEqual([...got.dims], want.dims)
    const extremes = pairs.map(
      ({ want }) => [want.data.reduce((a, b) => Math.min(a, b)), want.data.reduce((a, b) => Math.max(a, b))] as const,
    )
    return {
      difference: Math.max(...pairs.map(({ want, got }) => largestDifference(want.data, got.data))),
      span: Math.max(...extremes.map(([, most]) => most)) - Math.min(...extremes.map(([least]) => least)),
      shapes: pairs.map(({ got }) => [...got.dims]),
    }
  }) as [Compared, ...Compared[]]
}

/** As in the graph: pictures are NCHW there. */
async function planes(x: TF.Tensor): Promise<Planes> {
  const value = x.rank === 4 ? tf.transpose(x, [0, 3, 1, 2]) : x
  return { data: (await value.data()) as Float32Array, dims: value.shape }
}

function photo(width: number, height: number): TF.Tensor4D {
  return tf.tensor4d(
    Float32Array.from(drawPhoto(width, height).data, value => value / 255),
    [1, height, width, 3],
  )
}

function noise(shape: [number, number, number, number]): TF.Tensor4D {
  return tf.randomUniform(shape, 0, 1, 'float32', shape[1])
}
