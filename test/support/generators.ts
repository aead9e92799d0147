import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { type EngineName, type Tf, useEngine } from '../../nets/engine.js'
import { type GeneratorConfig, type GeneratorKind, generatorSchema, makeGenerator } from '../../nets/generator.js'
import { layersOf } from '../../nets/layers.js'
import { random } from './draw.js'

/** One small network of each architecture, and the scale at which its parts all appear. */
export const SMALL_GENERATORS: Record<string, { config: GeneratorConfig; scale: number; side: number }> = Object.fromEntries(
  (
    [
      [{ kind: 'fast', channels: 4, blocks: 1, expansion: 6 }, 2],
      [{ kind: 'srcnn', kernels: [5, 3, 3], channels: [4, 3] }, 2],
      [{ kind: 'fsrcnn', features: 5, shrunk: 3, mappings: 1 }, 3],
      [{ kind: 'srresnet', channels: 4, blocks: 1 }, 4],
      [{ kind: 'srresnet', channels: 4, blocks: 1, norm: 'instance', residualScale: 0.5 }, 3],
      [{ kind: 'srresnet', channels: 4, blocks: 2, norm: 'none' }, 2],
      [{ kind: 'msrresnet', channels: 4, blocks: 1 }, 3],
      [{ kind: 'rrdb', channels: 4, blocks: 1, growth: 2 }, 4],
      [{ kind: 'rrdb', channels: 4, blocks: 1, growth: 2 }, 2],
      [{ kind: 'rrdb', channels: 4, blocks: 1, growth: 2, unshuffle: false }, 1],
      [{ kind: 'encoder-decoder', channels: 3, depth: 2 }, 3],
      [{ kind: 'srvgg', channels: 4, blocks: 1 }, 2],
      [{ kind: 'srvgg', channels: 4, blocks: 1, activation: 'leaky-relu' }, 1],
    ] as [{ kind: GeneratorKind; norm?: string; activation?: string; [option: string]: unknown }, number][]
  ).map(([options, scale]) => {
    const config = generatorSchema.parse(options)
    const name = [options.kind, options.norm ?? options.activation, `×${scale}`].filter(Boolean).join(' ')
    return [name, { config, scale, side: options.kind === 'encoder-decoder' ? 8 : 4 }]
  }),
)

/** What holds of every generator and of the layers they are made of, on every engine that trains. */
export function testGenerators(engine: EngineName, { skip }: { skip: string | false }): void {
  let tf: Tf
  before(async () => {
    if (!skip) tf = await useEngine(engine)
  })

  for (const [name, { config, scale, side }] of Object.entries(SMALL_GENERATORS)) {
    test(`${engine}: ${name}: the gradient of every weight is the slope that small steps find`, { skip }, () => {
      const generator = makeGenerator(tf, config, scale, 1)
      enliven(tf, generator)
      const low = tf.tensor4d(numbers(2 * side * side * 3, 1), [2, side, side, 3])
      const output = () => generator.apply(low, { training: true }) as TF.Tensor
      const weighing = tf.tensor(numbers(2 * (side * scale) ** 2 * 3, 2), [2, side * scale, side * scale, 3])
      const loss = () => tf.mean(tf.mul(output(), weighing)).mul(100).asScalar()
      const variables = generator.trainableWeights.map(weight => (weight as unknown as { val: TF.Variable }).val)
      const { grads } = tf.variableGrads(loss, variables)
      assert.equal(Object.keys(grads).length, variables.length)
      for (const [i, variable] of variables.entries()) {
        tf.tidy(() => {
          const original = variable.clone()
          const direction = tf.tensor(numbers(variable.size, 3 + i), variable.shape)
          const at = (t: number) => {
            variable.assign(original.add(direction.mul(t)))
            return loss().dataSync()[0]!
          }
          // A step that crosses the kink of a ReLU finds a slope in between: a smaller one crosses fewer, and seldom do both sides.
          const here = at(0)
          const slopes = [1e-3, 2e-4].flatMap(step => {
            const [ahead, behind] = [(at(step) - here) / step, (here - at(-step)) / step]
            return [ahead, behind, (ahead + behind) / 2]
          })
          variable.assign(original)
          const expected = grads[variable.name]!.mul(direction).sum().dataSync()[0]!
          const error = Math.min(...slopes.map(slope => Math.abs(slope - expected)))
          assert.ok(error <= 0.03 * Math.abs(expected) + 0.02, `${variable.name}: ${slopes} by differences, ${expected} by tfjs`)
        })
      }
      generator.dispose()
      tf.dispose([low, weighing, grads])
    })
  }

  test(`${engine}: every generator has the size it should, starts the same for the same seed and leaks nothing`, { skip }, () => {
    for (const [name, { config, scale, side }] of Object.entries(SMALL_GENERATORS)) {
      tf.tidy(() => {
        const [first, again, other] = [7, 7, 8].map(seed => makeGenerator(tf, config, scale, seed))
        const numbersOf = (model: TF.LayersModel) => model.getWeights().map(weight => Array.from(weight.dataSync()))
        assert.deepEqual(numbersOf(again!), numbersOf(first!), name)
        assert.notDeepEqual(numbersOf(other!), numbersOf(first!), name)
        const before = tf.memory().numTensors
        tf.tidy(() => {
          const low = tf.fill([2, side, side, 3], 0.5)
          const output = first!.predict(low) as TF.Tensor
          assert.deepEqual(output.shape, [2, side * scale, side * scale, 3], name)
          assert.ok(output.abs().max().dataSync()[0]! < 20, `${name} starts far off`)
          tf.variableGrads(() => (first!.apply(low, { training: true }) as TF.Tensor).square().mean().asScalar())
        })
        assert.equal(tf.memory().numTensors, before, `${name} leaks`)
        for (const model of [first, again, other]) model!.dispose()
      })
    }
  })

  test(`${engine}: batch norm in training is its definition, its gradient too, and what it remembers is used afterwards`, { skip }, () => {
    tf.tidy(() => {
      const [n, h, w, c] = [2, 3, 4, 3]
      const size = n * h * w
      const x = numbers(size * c, 1)
      const dy = numbers(size * c, 2)
      const [gamma, beta] = [
        [0.5, 2, -1],
        [0.1, -0.2, 3],
      ]
      const layer = layersOf(tf).batchNorm({})
      layer.build([null, null, null, c])
      const [g, b, mean, variance] = layer.weights
      g!.write(tf.tensor1d(gamma!))
      b!.write(tf.tensor1d(beta!))
      const variables = [g, b].map(weight => (weight as unknown as { val: TF.Variable }).val)
      const input = tf.tensor4d(x, [n, h, w, c])
      const train = () => layer.apply(input, { training: true }) as TF.Tensor
      const loss = () => tf.sum(tf.mul(train(), tf.tensor4d(dy, [n, h, w, c]))).asScalar()
      const got = {
        y: train(),
        dx: tf.grad(x => tf.mul(layer.apply(x, { training: true }) as TF.Tensor, tf.tensor4d(dy, [n, h, w, c])))(input),
      }
      const { grads } = tf.variableGrads(loss, variables)

      const expected = { y: new Float64Array(x.length), dx: new Float64Array(x.length), dgamma: [0, 0, 0], dbeta: [0, 0, 0] }
      for (let k = 0; k < c; k++) {
        const of = (values: Float32Array) => Array.from({ length: size }, (_, p) => values[p * c + k]!)
        const average = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
        const m = average(of(x))
        const v = average(of(x).map(value => (value - m) ** 2))
        const deviation = Math.sqrt(v + 1e-5)
        const unit = of(x).map(value => (value - m) / deviation)
        const along = average(of(dy).map((value, p) => value * unit[p]!))
        for (let p = 0; p < size; p++) {
          expected.y[p * c + k] = unit[p]! * gamma![k]! + beta![k]!
          expected.dx[p * c + k] = (gamma![k]! / deviation) * (of(dy)[p]! - average(of(dy)) - unit[p]! * along)
        }
        expected.dgamma[k] = along * size
        expected.dbeta[k] = average(of(dy)) * size
        // Three times it was called in training: 1 − 0.99³ of the way from 0 and from 1.
        const far = 1 - 0.99 ** 3
        close(mean!.read().dataSync()[k]!, far * m, 'moving mean')
        close(variance!.read().dataSync()[k]!, 1 - far + (far * v * size) / (size - 1), 'moving variance')
        const after = (layer.apply(input) as TF.Tensor).dataSync()
        const scale = gamma![k]! / Math.sqrt(variance!.read().dataSync()[k]! + 1e-5)
        close(after[k]!, (x[k]! - mean!.read().dataSync()[k]!) * scale + beta![k]!, 'result after training')
      }
      closeAll(got.y, expected.y, 'result')
      closeAll(got.dx, expected.dx, 'gradient of the input')
      closeAll(grads[variables[0]!.name]!, expected.dgamma, 'gradient of gamma')
      closeAll(grads[variables[1]!.name]!, expected.dbeta, 'gradient of beta')
    })
  })

  test(`${engine}: instance norm of one picture is batch norm of that picture`, { skip }, () => {
    tf.tidy(() => {
      const { batchNorm, instanceNorm } = layersOf(tf)
      const pictures = [1, 2].map(seed => tf.tensor4d(numbers(5 * 4 * 3, seed), [1, 5, 4, 3]))
      const weigh = tf.tensor4d(numbers(5 * 4 * 3, 3), [1, 5, 4, 3])
      const run = (layer: TF.layers.Layer) => (x: TF.Tensor) => tf.mul(layer.apply(x, { training: true }) as TF.Tensor, weigh)
      const both = run(instanceNorm({}))(tf.concat(pictures))
      const gradient = tf.grad(run(instanceNorm({})))(tf.concat(pictures))
      for (const [i, picture] of pictures.entries()) {
        const alone = run(batchNorm({}))
        closeAll(tf.slice(both, i, 1), alone(picture).dataSync(), 'result')
        closeAll(tf.slice(gradient, i, 1), tf.grad(alone)(picture).dataSync(), 'gradient')
      }
    })
  })

  test(`${engine}: unshuffling and shuffling pixels lead back, with their gradients`, { skip }, () => {
    tf.tidy(() => {
      const { pixelShuffle, pixelUnshuffle } = layersOf(tf)
      const x = tf.tensor4d(numbers(2 * 6 * 4 * 3, 1), [2, 6, 4, 3])
      const apart = pixelUnshuffle({ scale: 2 }).apply(x) as TF.Tensor4D
      assert.deepEqual(apart.shape, [2, 3, 2, 12])
      assert.deepEqual((pixelShuffle({ scale: 2 }).apply(apart) as TF.Tensor).dataSync(), x.dataSync())
      assert.deepEqual(apart.slice([0, 0, 0, 3], [1, 1, 1, 3]).dataSync(), x.slice([0, 0, 1, 0], [1, 1, 1, 3]).dataSync())
      const gradient = tf.grad(x => (pixelUnshuffle({ scale: 2 }).apply(x) as TF.Tensor).square().sum().div(2))(x)
      assert.deepEqual(gradient.dataSync(), x.dataSync())
    })
  })
}

/** What begins at 0 or 1 would hide a mistake: biases, norms and slopes off their starting values, tiny kernels larger. */
function enliven(tf: Tf, model: TF.LayersModel): void {
  for (const [i, weight] of model.trainableWeights.entries()) {
    const noise = tf.tensor(numbers(weight.read().size, 50 + i), weight.shape as number[])
    const inputs = weight.shape.slice(0, -1).reduce<number>((product, side) => product * side!, 1)
    if (weight.shape.length === 1) weight.write(weight.read().add(noise.mul(0.1)))
    else weight.write(weight.read().add(noise.mul(0.5 / Math.sqrt(inputs))))
    noise.dispose()
  }
}

function numbers(size: number, seed: number): Float32Array {
  const next = random(seed)
  return Float32Array.from({ length: size }, () => (next() < 0.5 ? -1 : 1) * (0.05 + 0.95 * next()))
}

function close(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= 3e-5 * (1 + Math.abs(expected)), `${what}: ${actual}, expected ${expected}`)
}

function closeAll(actual: TF.Tensor, expected: ArrayLike<number>, what: string): void {
  const values = actual.dataSync()
  assert.equal(values.length, expected.length)
  for (const [i, value] of values.entries()) close(value, expected[i]!, `${what}, number ${i}`)
}
