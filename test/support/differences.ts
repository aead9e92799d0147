import assert from 'node:assert/strict'
import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'
import { random } from './draw.js'

/** Numbers between −1 and 1, none of them very near 0. */
export function numbers(shape: number[], seed: number): Float32Array {
  const next = random(seed)
  const size = shape.reduce((product, side) => product * side, 1)
  return Float32Array.from({ length: size }, () => (next() < 0.5 ? -1 : 1) * (0.05 + 0.95 * next()))
}

/** `numbers` as a variable of that shape. */
export function filled(tf: Tf, shape: number[], seed: number): TF.Variable {
  return tf.tidy(() => tf.variable(tf.tensor(numbers(shape, seed), shape)))
}

/** Of the differences, relative to the size of the variable: kinks disturb the large ones, rounding the small ones. */
const STEPS = [1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5]

/**
 * Compares the gradient that tfjs finds for a variable with differences along a direction, which is half the gradient's own,
 * so that there is something to measure, and half a random one, so that a wrong gradient shows. The step that agrees best counts.
 * @param output numbers that depend on the variable; the loss is their sum with fixed random weights
 * @param tolerance relative to the norm of the gradient
 */
export function agreesWithDifferences(tf: Tf, variable: TF.Variable, output: () => TF.Tensor, tolerance = 0.01): void {
  tf.tidy(() => {
    const weights = numbers(output().shape, 8)
    const loss = () => tf.sum(tf.mul(output().flatten(), tf.tensor1d(weights))) as TF.Scalar
    const gradient = tf.variableGrads(loss, [variable]).grads[variable.name]!
    const [start, norm] = [variable.clone(), gradient.norm().dataSync()[0]!]
    assert.ok(norm > 1e-6, `${variable.name} has no gradient`)
    const noise = tf.tensor(numbers(variable.shape, 9), variable.shape)
    const direction = tf.add(gradient.div(norm), noise.div(noise.norm()))
    const size = Math.max(variable.norm().dataSync()[0]!, 0.1)
    const at = (t: number) => {
      variable.assign(start.add(direction.mul(t)))
      return output().dataSync()
    }
    const expected = gradient.mul(direction).sum().dataSync()[0]!
    const slopes: number[] = []
    const agrees = STEPS.some(step => {
      const [before, after] = [at(-step * size), at(step * size)]
      // Summed in float64: the differences are small.
      const slope = weights.reduce((sum, weight, i) => sum + weight * (after[i]! - before[i]!), 0) / (2 * step * size)
      slopes.push(slope)
      return Math.abs(slope - expected) <= tolerance * norm
    })
    variable.assign(start)
    assert.ok(agrees, `${variable.name} [${variable.shape}]: ${slopes} by differences, ${expected} by tfjs, norm ${norm}`)
  })
}
