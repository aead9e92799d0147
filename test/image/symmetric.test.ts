import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eigenSymmetric, quadraticForm } from '../../image/symmetric.js'
import { random } from '../support/draw.js'

test('eigenvectors are orthonormal and rebuild the matrix', () => {
  for (const n of [1, 2, 7, 36]) {
    const matrix = randomCovariance(n, 2 * n, n)
    const { values, vectors } = eigenSymmetric(matrix)
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const along = sum(n, k => vectors[i]![k]! * vectors[j]![k]!)
        assert.ok(Math.abs(along - (i === j ? 1 : 0)) < 1e-12, `${n}: vectors ${i} and ${j}`)
        const rebuilt = sum(n, k => values[k]! * vectors[k]![i]! * vectors[k]![j]!)
        assert.ok(Math.abs(rebuilt - matrix[i]![j]!) < 1e-12 * n, `${n}: element ${i}, ${j}`)
      }
    }
  }
})

test('the eigenvalues of a matrix known by heart', () => {
  const { values } = eigenSymmetric([Float64Array.of(2, -1, 0), Float64Array.of(-1, 2, -1), Float64Array.of(0, -1, 2)])
  const expected = [2 - Math.SQRT2, 2, 2 + Math.SQRT2]
  for (const [i, value] of [...values].sort((a, b) => a - b).entries()) assert.ok(Math.abs(value - expected[i]!) < 1e-14)
})

test('the quadratic form is that of the solved equation', () => {
  const n = 36
  const next = random(5)
  const matrix = randomCovariance(n, 3 * n, 9)
  const x = Float64Array.from({ length: n }, () => next() - 0.5)
  const d = matrix.map(row => sum(n, j => row[j]! * x[j]!))
  const expected = sum(n, i => x[i]! * d[i]!)
  assert.ok(Math.abs(quadraticForm(d, matrix) / expected - 1) < 1e-9)
})

test('directions that a singular matrix does not know do not count', () => {
  // Rank 2 of 3: (1, 1, 0)/√2 with 4 and (0, 0, 1) with 9.
  const matrix = [Float64Array.of(2, 2, 0), Float64Array.of(2, 2, 0), Float64Array.of(0, 0, 9)]
  assert.ok(Math.abs(quadraticForm([1, 1, 3], matrix) - (2 / 4 + 9 / 9)) < 1e-12)
  assert.ok(Math.abs(quadraticForm([1, -1, 0], matrix)) < 1e-12)
  assert.equal(quadraticForm([1, 2], [new Float64Array(2), new Float64Array(2)]), 0)
})

function randomCovariance(n: number, samples: number, seed: number): Float64Array[] {
  const next = random(seed)
  const rows = Array.from({ length: samples }, () => Array.from({ length: n }, (_, i) => (next() - 0.5) * (1 + i)))
  return Array.from({ length: n }, (_, i) =>
    Float64Array.from({ length: n }, (_, j) => sum(samples, s => rows[s]![i]! * rows[s]![j]!) / samples),
  )
}

function sum(n: number, value: (i: number) => number): number {
  let total = 0
  for (let i = 0; i < n; i++) total += value(i)
  return total
}
