import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import fc from 'fast-check'
import { biasLeakyRelu } from '../../nets/bias-leaky-relu.js'
import { type EngineName, type Tf, useEngine } from '../../nets/engine.js'
import { networkFacts } from '../../nets/facts.js'
import { makeGenerator } from '../../nets/generator.js'
import type { CollapsibleConfig, CollapsibleLayer } from '../../nets/layers/collapsible-conv.js'
import { layersOf } from '../../nets/layers.js'
import { products } from './convolution.js'
import { random } from './draw.js'

/**
 * What holds of the networks on every engine. One process uses one engine, so one test file calls this for one.
 * @param ownGradients whether the gradient of the convolution is ours, which knows dilations and can be differentiated again
 */
export function testNets(engine: EngineName, { skip, ownGradients }: { skip: string | false; ownGradients: boolean }): void {
  let tf: Tf
  before(async () => {
    if (!skip) tf = await useEngine(engine)
  })

  test(`${engine}: a convolution and both its gradients are the sums that define them`, { skip }, () => {
    const cases = fc.record({
      batch: fc.integer({ min: 1, max: 3 }),
      height: fc.integer({ min: 1, max: 9 }),
      width: fc.integer({ min: 1, max: 9 }),
      channels: fc.integer({ min: 1, max: 5 }),
      filters: fc.integer({ min: 1, max: 5 }),
      kernel: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
      steps: fc.constantFrom([1, 1], [2, 1], [3, 1], ...(ownGradients ? [[1, 2]] : [])),
      pad: fc.constantFrom<'same' | 'valid' | number>('same', 'valid', ...(engine === 'tensorflow' ? [] : [0, 1, 2])),
    })
    fc.assert(
      fc.property(cases, ({ batch, height, width, channels, filters, kernel, steps: [stride, dilation], pad }) => {
        // tfjs takes a padding in numbers for one of a square kernel: it forgets the width.
        // And its wasm kernel computes 'same' wrongly where a step is longer than the kernel (4.22).
        fc.pre((typeof pad === 'string' || kernel[0] === kernel[1]) && stride! <= Math.min(...kernel))
        const xShape: [number, number, number, number] = [batch, height, width, channels]
        const wShape: [number, number, number, number] = [...kernel, channels, filters]
        const info = tf.backend_util.computeConv2DInfo(xShape, wShape, stride!, dilation!, pad)
        fc.pre(info.outHeight > 0 && info.outWidth > 0)
        const shape = { batch, height, width, channels, filters, kernel, stride: stride!, dilation: dilation! }
        const whole = { ...shape, pad: info.padInfo, out: { height: info.outHeight, width: info.outWidth } }
        tf.tidy(() => {
          const x = tf.tensor4d(numbers(xShape, 1), xShape)
          const w = tf.tensor4d(numbers(wShape, 2), wShape)
          const conv = (x: TF.Tensor, w: TF.Tensor) => tf.conv2d(x as TF.Tensor4D, w as TF.Tensor4D, stride!, pad, 'NHWC', dilation)
          const y = conv(x, w)
          const dy = tf.tensor4d(numbers(y.shape, 3), y.shape)
          const [dx, dw] = tf.grads(conv)([x, w], dy) as [TF.Tensor, TF.Tensor]

          const [xs, ws, dys] = [x.dataSync(), w.dataSync(), dy.dataSync()]
          const expected = { y: new Float64Array(y.size), dx: new Float64Array(x.size), dw: new Float64Array(w.size) }
          products(whole, (i, k, o) => {
            expected.y[o]! += xs[i]! * ws[k]!
            expected.dx[i]! += dys[o]! * ws[k]!
            expected.dw[k]! += xs[i]! * dys[o]!
          })
          close(y, expected.y, 'result')
          close(dx, expected.dx, 'gradient of the input')
          close(dw, expected.dw, 'gradient of the kernel')
          if (dilation !== 1) return
          // As tfjs' own layers compute it, in one operation with the bias.
          const fused = (x: TF.Tensor, w: TF.Tensor) =>
            tf.fused.conv2d({ x: x as TF.Tensor4D, filter: w as TF.Tensor4D, strides: stride!, pad })
          const [fusedDx, fusedDw] = tf.grads(fused)([x, w], dy) as [TF.Tensor, TF.Tensor]
          close(fusedDx, expected.dx, 'gradient of the input of the fused convolution')
          close(fusedDw, expected.dw, 'gradient of the kernel of the fused convolution')
        })
      }),
      { seed: 1, numRuns: engine === 'cpu' ? 30 : 120 },
    )
  })

  test(`${engine}: the gradient of a convolution can be differentiated again`, {
    skip: skip || (!ownGradients && 'a gradient of tfjs, not of ours'),
  }, () => {
    tf.tidy(() => {
      const x = tf.tensor4d(numbers([2, 7, 6, 2], 1), [2, 7, 6, 2])
      const w = tf.tensor4d(numbers([3, 3, 2, 3], 2), [3, 3, 2, 3])
      const steepness = (w: TF.Tensor) => {
        const gradient = tf.grad(x =>
          tf
            .conv2d(x as TF.Tensor4D, w as TF.Tensor4D, 2, 'same')
            .square()
            .sum(),
        )(x)
        return gradient.square().mean()
      }
      agreesWithDifferences(tf, steepness, w, 1e-2, 2e-3)
    })
  })

  for (const alpha of [0, 0.1, 1]) {
    test(`${engine}: bias and leaky ReLU of slope ${alpha}, and their gradient, are their definition`, { skip }, () => {
      tf.tidy(() => {
        const x = tf.tensor4d(numbers([2, 5, 4, 3], 1), [2, 5, 4, 3])
        const bias = tf.tensor1d([0.3, -0.2, 0])
        const dy = tf.tensor4d(numbers([2, 5, 4, 3], 2), [2, 5, 4, 3])
        const run = (x: TF.Tensor, bias: TF.Tensor) => biasLeakyRelu(tf, x as TF.Tensor4D, bias as TF.Tensor1D, alpha)
        const [dx, db] = tf.grads(run)([x, bias], dy) as [TF.Tensor, TF.Tensor]

        const [xs, bs, dys] = [x.dataSync(), bias.dataSync(), dy.dataSync()]
        const biased = xs.map((value, i) => value + bs[i % 3]!)
        const slopes = biased.map(value => (value > 0 ? 1 : alpha))
        const expectedDb = new Float64Array(3)
        for (const [i, slope] of slopes.entries()) expectedDb[i % 3]! += dys[i]! * slope
        close(
          run(x, bias),
          Float64Array.from(biased, (value, i) => value * slopes[i]!),
          'result',
        )
        close(
          dx,
          Float64Array.from(dys, (value, i) => value * slopes[i]!),
          'gradient of the input',
        )
        close(db, expectedDb, 'gradient of the bias')
      })
    })
  }

  for (const { expansion, identity } of [
    { expansion: 0, identity: false },
    { expansion: 8, identity: false },
    { expansion: 0, identity: true },
    { expansion: 8, identity: true },
  ]) {
    const what = `expansion ${expansion}, ${identity ? 'with' : 'without'} the input added`
    const config: CollapsibleConfig = {
      name: `conv-${expansion}-${identity}`,
      filters: 4,
      kernelSize: 3,
      expansion,
      identity,
      slope: 0.1,
      gain: 1,
      seed: 3,
    }

    test(`${engine}: one collapsed convolution equals its branches run one by one (${what})`, { skip }, () => {
      tf.tidy(() => {
        const x = tf.tensor4d(numbers([2, 6, 5, 4], 1), [2, 6, 5, 4])
        const { layer, parts } = filledLayer(tf, config)
        const [expand, second, third] = parts.map(part => part.read())
        const [project, bias] = expansion ? [second!, third!] : [undefined, second!]
        let sum = tf.conv2d(x, expand as TF.Tensor4D, 1, 'same')
        if (project) sum = tf.conv2d(sum, project.reshape([1, 1, expansion, 4]) as TF.Tensor4D, 1, 'same')
        if (identity) sum = sum.add(x)
        const branches = tf.leakyRelu(sum.add(bias), 0.1)
        close(layer.apply(x) as TF.Tensor, branches.dataSync(), 'result')
      })
    })

    test(`${engine}: the gradient reaches every factor of a collapsible convolution (${what})`, { skip }, () => {
      const x = tf.tensor4d(numbers([2, 6, 5, 4], 1), [2, 6, 5, 4])
      const { layer, parts } = filledLayer(tf, config)
      for (const part of parts) {
        tf.tidy(() => {
          const original = part.read().clone()
          const loss = () => (layer.apply(x) as TF.Tensor).square().sum().asScalar()
          const variable = (part as unknown as { val: TF.Variable }).val
          const gradient = tf.variableGrads(loss, [variable]).grads[variable.name]!
          const direction = tf.tensor(numbers(original.shape, 9), original.shape)
          const at = (t: number) => {
            part.write(original.add(direction.mul(t)))
            return loss().dataSync()[0]!
          }
          const slope = (at(1e-3) - at(-1e-3)) / 2e-3
          part.write(original)
          const expected = gradient.mul(direction).sum().dataSync()[0]!
          assert.ok(
            Math.abs(slope - expected) < 0.02 * Math.abs(expected) + 0.05,
            `${part.name}: ${slope} by differences, ${expected} by tfjs`,
          )
        })
      }
      x.dispose()
    })
  }

  test(`${engine}: the pixel shuffle is depthToSpace, and its gradient spaceToDepth`, { skip }, () => {
    tf.tidy(() => {
      for (const scale of [2, 3, 4]) {
        const shape: [number, number, number, number] = [2, 3, 5, 3 * scale ** 2]
        const x = tf.tensor4d(numbers(shape, 1), shape)
        const layer = layersOf(tf).pixelShuffle({ scale })
        const y = layer.apply(x) as TF.Tensor4D
        assert.deepEqual(y.shape, [2, 3 * scale, 5 * scale, 3])
        assert.deepEqual(y.dataSync(), tf.depthToSpace(x, scale, 'NHWC').dataSync())
        // It only moves numbers about: the gradient of half the square of the result is the input itself.
        const gradient = tf.grad(x => (layer.apply(x) as TF.Tensor).square().sum().div(2))(x)
        assert.deepEqual(gradient.dataSync(), x.dataSync())
      }
    })
  })

  test(`${engine}: a generator starts close to its input enlarged, the same for the same seed in whatever order it is made`, {
    skip,
  }, () => {
    tf.tidy(() => {
      const weights = (seed: number) =>
        makeGenerator(tf, SMALL, 2, seed)
          .getWeights()
          .map(weight => Array.from(weight.dataSync()))
      const first = weights(7)
      assert.notDeepEqual(weights(8), first)
      assert.deepEqual(weights(7), first)
      const grey = tf.fill([1, 6, 6, 3], 0.5)
      const output = makeGenerator(tf, SMALL, 2, 7).predict(grey) as TF.Tensor
      assert.deepEqual(output.shape, [1, 12, 12, 3])
      const error = output.sub(0.5).abs().max().dataSync()[0]!
      assert.ok(error < 0.3, `${error} off at the start`)
    })
  })

  test(`${engine}: the facts count the parameters and operations of the collapsed network`, { skip }, () => {
    for (const [config, scale] of [
      [SMALL, 2],
      [{ ...SMALL, channels: 16, blocks: 0, expansion: 0 }, 3],
    ] as const) {
      const generator = makeGenerator(tf, config, scale, 0)
      const convolutions = generator.layers.filter((layer): layer is CollapsibleLayer => 'collapsed' in layer)
      assert.equal(convolutions.length, config.blocks + 2)
      let [parameters, products] = [0, 0]
      tf.tidy(() => {
        for (const layer of convolutions) {
          const { kernel, bias } = layer.collapsed()
          parameters += kernel.size + bias.size
          products += kernel.size
        }
      })
      const facts = networkFacts(generator)
      assert.equal(facts.parameters, parameters)
      assert.equal(facts.flopsPerPixel, 2 * products)
      generator.dispose()
    }
  })
}

const SMALL = { kind: 'fast', channels: 8, blocks: 2, slope: 0.1, expansion: 12 } as const

/** Numbers between −1 and 1, none of them very near 0. */
function numbers(shape: number[], seed: number): Float32Array {
  const next = random(seed)
  const size = shape.reduce((product, side) => product * side, 1)
  return Float32Array.from({ length: size }, () => (next() < 0.5 ? -1 : 1) * (0.05 + 0.95 * next()))
}

function close(actual: TF.Tensor, expected: ArrayLike<number>, what: string): void {
  const values = actual.dataSync()
  assert.equal(values.length, expected.length, `size of the ${what}`)
  for (const [i, value] of values.entries()) {
    assert.ok(
      Math.abs(value - expected[i]!) <= 2e-5 * (1 + Math.abs(expected[i]!)),
      `${what}, number ${i}: ${value}, expected ${expected[i]}`,
    )
  }
}

/** The slope of `f` along a direction, by differences and by its gradient. */
function agreesWithDifferences(tf: Tf, f: (x: TF.Tensor) => TF.Tensor, x: TF.Tensor, step: number, tolerance: number): void {
  const direction = tf.tensor(numbers(x.shape, 9), x.shape)
  const at = (t: number) => f(x.add(direction.mul(t))).dataSync()[0]!
  const slope = (at(step) - at(-step)) / (2 * step)
  const expected = tf
    .grad(f as (x: TF.Tensor) => TF.Tensor)(x)
    .mul(direction)
    .sum()
    .dataSync()[0]!
  assert.ok(Math.abs(slope - expected) <= tolerance * (1 + Math.abs(expected)), `${slope} by differences, ${expected} by tfjs`)
}

/** A layer for four channels, its bias filled too (it starts at zero), and its weights in order. */
function filledLayer(tf: Tf, config: CollapsibleConfig): { layer: CollapsibleLayer; parts: TF.LayerVariable[] } {
  const layer = layersOf(tf).collapsibleConv(config) as CollapsibleLayer
  layer.build([null, null, null, 4])
  const parts = layer.trainableWeights
  parts.at(-1)!.write(tf.tensor1d([0.2, -0.1, 0.05, -0.3]))
  return { layer, parts }
}
