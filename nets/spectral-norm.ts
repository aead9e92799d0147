import type * as TF from '@tensorflow/tfjs'
import type { Tf } from './engine.js'
import { constant } from './second-order.js'

/**
 * One power iteration towards the largest singular value of a matrix. Miyato et al., "Spectral Normalization for Generative
 * Adversarial Networks", ICLR 2018, algorithm 1. No gradient flows through either vector.
 * @param matrix [rows, columns]
 * @param u [columns], of length 1: what the last iteration found
 * @returns v [rows] and the next u [columns], each of length 1
 */
export function powerIteration(tf: Tf, matrix: TF.Tensor2D, u: TF.Tensor1D): { u: TF.Tensor1D; v: TF.Tensor1D } {
  return tf.tidy(() => {
    const fixed = constant(tf, matrix)
    const v = unit(tf, tf.matMul(fixed, u.reshape([-1, 1])))
    const next = unit(tf, tf.matMul(fixed, v.reshape([-1, 1]), true))
    return { u: next, v }
  })
}

/** The kernel divided by σ = vᵀWu, W being the kernel as [kh·kw·in, out]; the gradient flows through σ with u and v held fast (equation 12). */
export function divideBySpectralNorm(tf: Tf, kernel: TF.Tensor4D, u: TF.Tensor1D, v: TF.Tensor1D): TF.Tensor4D {
  return tf.tidy(() => {
    const matrix = tf.reshape(kernel, [-1, u.size]) as TF.Tensor2D
    const sigma = tf.sum(tf.mul(tf.matMul(v.reshape([1, -1]), matrix), u.reshape([1, -1])))
    return tf.div(kernel, sigma) as TF.Tensor4D
  })
}

function unit(tf: Tf, vector: TF.Tensor): TF.Tensor1D {
  const flat = vector.flatten()
  return tf.div(flat, tf.add(tf.sqrt(tf.sum(tf.square(flat))), 1e-12)) as TF.Tensor1D
}
