import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type * as TF from '@tensorflow/tfjs'
import { type EngineName, type Tf, useEngine } from '../../nets/engine.js'
import { tapLayers } from '../../nets/features/tap.js'
import { featureLoss, gramMatrices } from '../../train/losses/feature.js'
import { frequencyLoss } from '../../train/losses/frequency.js'
import { gridLoss } from '../../train/losses/grid.js'
import { pixelLoss } from '../../train/losses/pixel.js'
import { randomTranslation, type Translation } from '../../train/losses/translation.js'
import { variationLoss } from '../../train/losses/variation.js'
import { agreesWithDifferences, filled, numbers } from './differences.js'

const SHAPE: [number, number, number, number] = [2, 6, 5, 3]
const LUMA = [65.481 / 255, 128.553 / 255, 24.966 / 255]

/** What holds of the losses on every engine: their values are those of their definition in float64, their gradients those of differences. */
export function testLosses(engine: EngineName, { skip }: { skip: string | false }): void {
  let tf: Tf
  before(async () => {
    if (!skip) tf = await useEngine(engine)
  })

  const images = () => [filled(tf, SHAPE, 1), tf.tensor4d(numbers(SHAPE, 2), SHAPE)] as [TF.Variable<TF.Rank.R4>, TF.Tensor4D]

  for (const [kind, norm] of [
    ['l1', Math.abs],
    ['l2', (value: number) => value * value],
    ['charbonnier', (value: number) => Math.sqrt(value * value + 1e-6)],
  ] as const) {
    test(`${engine}: the ${kind} pixel loss, luma included, and its gradient`, { skip }, () => {
      const [output, target] = images()
      const difference = subtract(output, target)
      const lumas = Array.from({ length: difference.length / 3 }, (_, p) => sum(LUMA.map((weight, c) => weight * difference[p * 3 + c]!)))
      close(pixelLoss(tf, output, target, kind, 0), mean(difference.map(norm)))
      close(pixelLoss(tf, output, target, kind, 0.7), mean(difference.map(norm)) + 0.7 * mean(lumas.map(norm)))
      agreesWithDifferences(tf, output, () => pixelLoss(tf, output, target, kind, 0.7))
    })
  }

  /** Down and to the right, for each of so many images, as the black that came in tells. */
  const offsetsOf = (move: Translation, images: number) =>
    tf.tidy(() => {
      const map = move(tf.ones([images, 8, 8, 3]))
      const left = [2, 1].map(axis => map.max([axis, 3]).sum(1).arraySync() as number[])
      return Array.from({ length: images }, (_, i) => left.map(sums => 8 - sums[i]!) as [number, number])
    })

  test(`${engine}: a translation moves each image down and to the right, black comes in, and every distance occurs`, { skip }, () => {
    const [output] = images()
    const [n, h, w, c] = SHAPE
    const values = output.arraySync()
    const seen = new Set<string>()
    let unlike = 0
    for (let step = 0; step < 40; step++) {
      const move = randomTranslation(tf, 2, 1, [step])
      const offsets = offsetsOf(move, n)
      const moved = tf.tidy(() => move(output).arraySync())
      for (let i = 0; i < n * h * w * c; i++) {
        const [image, y, x, channel] = [Math.floor(i / (h * w * c)), Math.floor(i / (w * c)) % h, Math.floor(i / c) % w, i % c]
        const [down, right] = offsets[image]!
        const expected = y < down || x < right ? 0 : values[image]![y - down]![x - right]![channel]
        assert.equal(moved[image]![y]![x]![channel], expected)
      }
      assert.deepEqual(offsetsOf(randomTranslation(tf, 2, 1, [step]), n), offsets, 'the same place, the same moves')
      for (const offset of offsets) seen.add(offset.join())
      if (new Set(offsets.map(String)).size > 1) unlike++
    }
    assert.equal(seen.size, 9)
    assert.ok(unlike > 20, `images of one batch moved otherwise in ${unlike} steps of 40`)
    assert.equal(randomTranslation(tf, 0, 1, [1])(output), output)
    agreesWithDifferences(tf, output, () => randomTranslation(tf, 2, 1, [1])(output).square().mean())
  })

  test(`${engine}: strided kernels pull at some pixels more than at others, over all translations at all alike`, { skip }, () => {
    const pull = (move: Translation) =>
      tf.tidy(() => {
        const [first, second] = [tf.ones<TF.Rank.R4>([3, 3, 3, 1]), tf.ones<TF.Rank.R4>([3, 3, 1, 1])]
        const twice = (x: TF.Tensor) => tf.conv2d(tf.conv2d(move(x as TF.Tensor4D), first, 2, 'same'), second, 2, 'same').sum()
        return tf
          .grad(twice)(tf.ones([1, 24, 24, 3]))
          .slice([0, 8, 8, 0], [1, 4, 4, 1])
          .flatten()
          .arraySync() as number[]
      })
    const moves = new Map<string, Translation>()
    for (let step = 0; moves.size < 16; step++) {
      const move = randomTranslation(tf, 3, 1, [step])
      moves.set(offsetsOf(move, 1).join(), move)
    }
    const pulls = [...moves.values()].map(pull)
    assert.notEqual(new Set(pulls[0]).size, 1)
    assert.equal(new Set(pulls[0]!.map((_, pixel) => sum(pulls.map(of => of[pixel]!)))).size, 1)
  })

  test(`${engine}: the grid loss is what repeats with the grid in each window, folded by hand, and its gradient`, { skip }, () => {
    for (const [shape, scale, cells] of [
      [[2, 18, 34, 3], 2, 8],
      [SHAPE, 2, 2],
      [SHAPE, 1, 5],
    ] as [typeof SHAPE, number, number][]) {
      const [output, target] = [filled(tf, shape, 1), tf.tensor4d(numbers(shape, 2), shape)] as [TF.Variable<TF.Rank.R4>, TF.Tensor4D]
      const [n, h, w, c] = shape
      const difference = subtract(output, target)
      const deviations: number[] = []
      const side = cells * scale
      for (let i = 0; i < n * c; i++) {
        for (let top = 0; top + side <= h; top += side) {
          for (let left = 0; left + side <= w; left += side) {
            const cell = new Float64Array(scale * scale)
            for (let p = 0; p < side * side; p++) {
              const [y, x] = [top + Math.floor(p / side), left + (p % side)]
              const value = difference[((Math.floor(i / c) * h + y) * w + x) * c + (i % c)]!
              cell[(y % scale) * scale + (x % scale)]! += value / cells ** 2
            }
            const values = [...cell]
            deviations.push(...values.map(value => Math.abs(value - mean(values))))
          }
        }
      }
      close(gridLoss(tf, output, target, scale), mean(deviations))
      if (shape === SHAPE && scale === 2) agreesWithDifferences(tf, output, () => gridLoss(tf, output, target, scale))
    }
  })

  test(`${engine}: the grid loss sees a pattern with the grid's period, and not the same pattern with another`, { skip }, () => {
    const pattern = (period: number) =>
      tf.tensor4d(
        Array.from({ length: 72 * 72 }, (_, p) => ((p % 72) % period === 0 ? 1 : 0)),
        [1, 72, 72, 1],
      )
    const flat = tf.zeros<TF.Rank.R4>([1, 72, 72, 1])
    const seen = (period: number) => gridLoss(tf, pattern(period), flat, 4).dataSync()[0]!
    assert.ok(Math.abs(seen(4) - (0.75 + 3 * 0.25) / 4) < 1e-6)
    assert.ok(seen(3) < seen(4) / 6)
  })

  test(`${engine}: the Charbonnier loss of equal images is its ε, 0.001`, { skip }, () => {
    const [output] = images()
    close(pixelLoss(tf, output, output, 'charbonnier', 0), 1e-3)
  })

  test(`${engine}: the frequency loss is the discrete Fourier transform written out, and its gradient`, { skip }, () => {
    for (const shape of [SHAPE, [1, 4, 8, 3], [1, 1, 7, 1]] as [number, number, number, number][]) {
      const [output, target] = [filled(tf, shape, 1), tf.tensor4d(numbers(shape, 2), shape)] as [TF.Variable<TF.Rank.R4>, TF.Tensor4D]
      const spectrum = fourier(subtract(output, target), shape)
      close(frequencyLoss(tf, output, target), mean(spectrum.map(Math.abs)))
      agreesWithDifferences(tf, output, () => frequencyLoss(tf, output, target))
    }
  })

  test(`${engine}: the frequency loss of one wave is two numbers of the spectrum, divided between real and imaginary part by its phase`, {
    skip,
  }, () => {
    const wave = (period: number, phase: number) =>
      tf.tensor4d(
        Array.from({ length: 16 * 16 }, (_, i) => Math.cos((2 * Math.PI * (i % 16)) / period + phase)),
        [1, 16, 16, 1],
      )
    const zero = tf.zeros<TF.Rank.R4>([1, 16, 16, 1])
    const energy = (image: TF.Tensor4D) => frequencyLoss(tf, image, zero).dataSync()[0]!
    // √(16·16)/2 times cosine and sine of the phase, at two places of 256.
    assert.ok(Math.abs(energy(wave(4, 0)) - 16 / 512) < 1e-6)
    assert.ok(Math.abs(energy(wave(4, Math.PI / 4)) - (Math.SQRT2 * 16) / 512) < 1e-6)
  })

  test(`${engine}: the total variation and its gradient`, { skip }, () => {
    const [output] = images()
    const [n, h, w, c] = SHAPE
    const values = output.dataSync()
    const at = (i: number, y: number, x: number, k: number) => values[((i * h + y) * w + x) * c + k]!
    const [down, right]: [number[], number[]] = [[], []]
    for (let i = 0; i < n; i++) {
      for (let y = 0; y < h; y++) {
        for (let x = 0; x < w; x++) {
          for (let k = 0; k < c; k++) {
            if (y + 1 < h) down.push(Math.abs(at(i, y + 1, x, k) - at(i, y, x, k)))
            if (x + 1 < w) right.push(Math.abs(at(i, y, x + 1, k) - at(i, y, x, k)))
          }
        }
      }
    }
    close(variationLoss(tf, output), mean(down) + mean(right))
    agreesWithDifferences(tf, output, () => variationLoss(tf, output))
  })

  for (const [criterion, norm] of [
    ['l1', Math.abs],
    ['l2', (value: number) => value * value],
  ] as const) {
    test(`${engine}: feature and texture loss by ${criterion} are their definition on any maps`, { skip }, () => {
      const maps = (seed: number) => ({
        near: tf.tensor4d(numbers([2, 3, 4, 5], seed), [2, 3, 4, 5]),
        far: tf.tensor4d(numbers([2, 2, 1, 7], seed + 1), [2, 2, 1, 7]),
      })
      const [a, b] = [maps(1), maps(3)]
      const weights = { near: 0.3, far: 2 }
      const expected = (x: typeof a, y: typeof a) =>
        sum((['near', 'far'] as const).map(name => weights[name] * mean(subtract(x[name], y[name]).map(norm))))
      close(featureLoss(tf, a, b, weights, criterion), expected(a, b))

      const grams = (map: TF.Tensor4D): Float64Array => {
        const [n, h, w, c] = map.shape
        const values = map.dataSync()
        const gram = new Float64Array(n * c * c)
        for (let p = 0; p < n * h * w; p++) {
          for (let i = 0; i < c; i++) {
            for (let j = 0; j < c; j++) {
              gram[(Math.floor(p / (h * w)) * c + i) * c + j]! += (values[p * c + i]! * values[p * c + j]!) / (h * w * c)
            }
          }
        }
        return gram
      }
      const texture = sum(
        (['near', 'far'] as const).map(name => weights[name] * mean(difference(grams(a[name]), grams(b[name])).map(norm))),
      )
      close(featureLoss(tf, gramMatrices(tf, a), gramMatrices(tf, b), weights, criterion), texture)
    })
  }

  test(`${engine}: the gradients of feature and texture loss through a network, at layers before and after activation`, { skip }, () => {
    const network = sampleNetwork(tf)
    const taps = tapLayers(tf, network, ['conv:linear', 'norm', 'pool', 'last'])
    const weights = { 'conv:linear': 1, norm: 0.5, pool: 0.7, last: 2 }
    const shape: [number, number, number, number] = [2, 9, 8, 3]
    const output = filled(tf, shape, 1) as TF.Variable<TF.Rank.R4>
    const wanted = taps(tf.tensor4d(numbers(shape, 2), shape))
    for (const criterion of ['l1', 'l2'] as const) {
      agreesWithDifferences(tf, output, () => featureLoss(tf, taps(output), wanted, weights, criterion))
      const texture = () => featureLoss(tf, gramMatrices(tf, taps(output)), gramMatrices(tf, wanted), weights, criterion)
      agreesWithDifferences(tf, output, texture)
    }
  })
}

/** A network with every kind of layer that pretrained ones have, for pictures of 9×8. */
export function sampleNetwork(tf: Tf): TF.LayersModel {
  const input = tf.input({ shape: [9, 8, 3] })
  const { conv2d, batchNormalization, reLU, maxPooling2d, averagePooling2d, zeroPadding2d, add, leakyReLU } = tf.layers
  const conv = conv2d({ name: 'conv', filters: 4, kernelSize: 3, padding: 'same', activation: 'relu' }).apply(input)
  const plain = conv2d({ name: 'plain', filters: 4, kernelSize: 1, useBias: false }).apply(conv)
  const norm = batchNormalization({ name: 'norm' }).apply(plain)
  const sum = add({ name: 'sum' }).apply([reLU({ name: 'relu', maxValue: 6 }).apply(norm), conv] as TF.SymbolicTensor[])
  const pool = maxPooling2d({ name: 'pool', poolSize: 2 }).apply(sum)
  const padded = zeroPadding2d({ padding: [[0, 1] as [number, number], [0, 1]] as never }).apply(pool)
  const strided = conv2d({ name: 'strided', filters: 5, kernelSize: 3, strides: 2, activation: 'tanh' }).apply(padded)
  const last = averagePooling2d({ name: 'last', poolSize: 2, strides: 1, padding: 'same' }).apply(leakyReLU().apply(strided))
  const model = tf.model({ inputs: input, outputs: last as TF.SymbolicTensor, name: 'sample' })
  // Moving variances must be positive.
  for (const [i, weight] of model.weights.entries()) {
    const values = numbers(weight.shape as number[], i + 10)
    weight.write(tf.tensor(weight.name.includes('variance') ? values.map(Math.abs) : values, weight.shape as number[]))
  }
  return model
}

function subtract(a: TF.Tensor, b: TF.Tensor): number[] {
  return difference(a.dataSync(), b.dataSync())
}

function difference(a: ArrayLike<number>, b: ArrayLike<number>): number[] {
  return Array.from(a, (value, i) => value - b[i]!)
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function mean(values: number[]): number {
  return sum(values) / values.length
}

/** Real and imaginary parts of the transform of every plane, with the factor that keeps its energy. */
function fourier(values: number[], [n, h, w, c]: [number, number, number, number]): number[] {
  const result: number[] = []
  for (let plane = 0; plane < n * c; plane++) {
    for (let v = 0; v < h; v++) {
      for (let u = 0; u < w; u++) {
        let [real, imaginary] = [0, 0]
        for (let y = 0; y < h; y++) {
          for (let x = 0; x < w; x++) {
            const value = values[((Math.floor(plane / c) * h + y) * w + x) * c + (plane % c)]!
            const angle = -2 * Math.PI * ((u * x) / w + (v * y) / h)
            real += value * Math.cos(angle)
            imaginary += value * Math.sin(angle)
          }
        }
        result.push(real / Math.sqrt(h * w), imaginary / Math.sqrt(h * w))
      }
    }
  }
  return result
}

function close(actual: TF.Tensor, expected: number): void {
  const [value] = actual.dataSync()
  assert.equal(actual.rank, 0)
  assert.ok(Math.abs(value! - expected) <= 2e-6 + 1e-5 * Math.abs(expected), `${value}, expected ${expected}`)
}
