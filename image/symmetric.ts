/** Eigenvalues, in no order, and the unit eigenvectors that belong to them. */
export interface Eigen {
  values: Float64Array
  /** One row each. */
  vectors: Float64Array[]
}

/**
 * Eigenvalues and eigenvectors of a symmetric matrix given by rows, by Jacobi's rotations in rows of pairs (Golub & Van Loan,
 * "Matrix Computations", 4th edition, algorithm 8.5.3). For small matrices: n = 36 takes a few milliseconds.
 */
export function eigenSymmetric(matrix: Float64Array[]): Eigen {
  const n = matrix.length
  const a = matrix.map(row => row.slice())
  const vectors = Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)))
  const enough = 1e-30 * norm(a)
  // Quadratic convergence: six to ten sweeps; the bound only stops what is not a number.
  for (let sweep = 0; sweep < 50 && offDiagonal(a) > enough; sweep++) {
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotate(a, vectors, p, q)
  }
  return { values: Float64Array.from(a, (row, i) => row[i]!), vectors }
}

/**
 * d M⁺ dᵀ with the pseudo-inverse of a symmetric positive semidefinite matrix: directions in which M is 0 up to rounding
 * (n·ε of its largest eigenvalue, as MATLAB's `pinv`) do not count.
 */
export function quadraticForm(d: ArrayLike<number>, matrix: Float64Array[]): number {
  const { values, vectors } = eigenSymmetric(matrix)
  const least = matrix.length * Number.EPSILON * values.reduce((most, value) => Math.max(most, value), 0)
  let sum = 0
  for (const [i, vector] of vectors.entries()) {
    if (values[i]! <= least) continue
    const along = vector.reduce((total, value, j) => total + value * d[j]!, 0)
    sum += (along * along) / values[i]!
  }
  return sum
}

/** Turns the plane of axes p and q so that the element between them becomes 0. */
function rotate(a: Float64Array[], vectors: Float64Array[], p: number, q: number): void {
  const between = a[p]![q]!
  if (between === 0) return
  const theta = (a[q]![q]! - a[p]![p]!) / (2 * between)
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1))
  const c = 1 / Math.sqrt(t * t + 1)
  const s = t * c
  for (const row of a) turn(row, p, q, c, s)
  turnRows(a, p, q, c, s)
  turnRows(vectors, p, q, c, s)
}

function turn(row: Float64Array, p: number, q: number, c: number, s: number): void {
  const [x, y] = [row[p]!, row[q]!]
  row[p] = c * x - s * y
  row[q] = s * x + c * y
}

function turnRows(rows: Float64Array[], p: number, q: number, c: number, s: number): void {
  const [rowP, rowQ] = [rows[p]!, rows[q]!]
  for (let k = 0; k < rowP.length; k++) {
    const [x, y] = [rowP[k]!, rowQ[k]!]
    rowP[k] = c * x - s * y
    rowQ[k] = s * x + c * y
  }
}

const norm = (a: Float64Array[]): number => a.reduce((sum, row) => row.reduce((total, value) => total + value * value, sum), 0)

function offDiagonal(a: Float64Array[]): number {
  return a.reduce((sum, row, i) => row.reduce((total, value, j) => (i === j ? total : total + value * value), sum), 0)
}
