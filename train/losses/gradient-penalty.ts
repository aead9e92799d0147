import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'

/**
 * The penalty on a critic whose slope is not 1 between originals and what the generator made: E[(‖∇D(x̂)‖ − 1)²] with
 * x̂ = ε·real + (1 − ε)·fake. Gulrajani et al., "Improved Training of Wasserstein GANs", NeurIPS 2017, equation 3 (weighed by 10).
 * A critic with one logit a patch is judged by their mean, as its loss is. To be called inside `tf.variableGrads`.
 * @param critic from images to logits, differentiable twice (`assertTwiceDifferentiable`)
 * @param real, fake [n,h,w,3]
 * @param epsilon ε of each image, [n,1,1,1] in [0,1]
 * @returns the penalty, and the mean norm of the gradient
 */
export function gradientPenalty(
  tf: Tf,
  critic: (images: TF.Tensor4D) => TF.Tensor,
  real: TF.Tensor4D,
  fake: TF.Tensor4D,
  epsilon: TF.Tensor4D,
): { penalty: TF.Scalar; norm: TF.Scalar } {
  const mixed = tf.add(tf.mul(epsilon, real), tf.mul(tf.sub(1, epsilon), fake)) as TF.Tensor4D
  const verdicts = (images: TF.Tensor) => {
    const logits = critic(images as TF.Tensor4D)
    // The sum over the images of the mean over the patches: each image's gradient is that of its own verdict.
    return tf.div(tf.sum(logits), logits.size / epsilon.size)
  }
  const gradient = tf.grad(verdicts)(mixed)
  // At a gradient of zero the norm itself has no slope.
  const norms = tf.sqrt(tf.add(tf.sum(tf.square(gradient), [1, 2, 3]), 1e-12))
  return { penalty: tf.mean(tf.square(tf.sub(norms, 1))), norm: tf.mean(norms) }
}
