import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../../nets/engine.js'

/**
 * What a critic and a generator play for. Logits are [n,1] or one a patch, [n,h,w,1]; every loss is the mean over all of them.
 *
 *   vanilla       Goodfellow et al. 2014, the generator's in the non-saturating form (section 3): −log D(fake)
 *   lsgan         Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017, equation 9: 1 for real, 0 for fake
 *   hinge         Miyato et al., "Spectral Normalization", ICLR 2018, equations 16 and 17
 *   relativistic  average: ESRGAN, Wang et al. 2018, section 3.2; the sum of both halves, which BasicSR halves
 *   wasserstein   Arjovsky et al. 2017; its critic needs a gradient penalty or clamped weights (Adam.clamp)
 */
export const ADVERSARIAL_KINDS = ['vanilla', 'lsgan', 'hinge', 'relativistic', 'wasserstein'] as const
export type AdversarialKind = (typeof ADVERSARIAL_KINDS)[number]

/**
 * What the critic minimises.
 * @param real logits of the originals
 * @param fake logits of what the generator made
 */
export function criticLoss(tf: Tf, kind: AdversarialKind, real: TF.Tensor, fake: TF.Tensor): TF.Scalar {
  switch (kind) {
    case 'vanilla':
      return sum(tf, isReal(tf, real), isFake(tf, fake))
    case 'lsgan':
      return tf.div(sum(tf, tf.mean(tf.square(tf.sub(real, 1))), tf.mean(tf.square(fake))), 2)
    case 'hinge':
      return sum(tf, tf.mean(tf.relu(tf.sub(1, real))), tf.mean(tf.relu(tf.add(1, fake))))
    case 'relativistic':
      return sum(tf, isReal(tf, tf.sub(real, tf.mean(fake))), isFake(tf, tf.sub(fake, tf.mean(real))))
    case 'wasserstein':
      return tf.sub(tf.mean(fake), tf.mean(real))
  }
}

/**
 * What the generator minimises.
 * @param real logits of the originals; only the relativistic loss looks at them
 */
export function generatorLoss(tf: Tf, kind: AdversarialKind, fake: TF.Tensor, real?: TF.Tensor): TF.Scalar {
  switch (kind) {
    case 'vanilla':
      return isReal(tf, fake)
    case 'lsgan':
      return tf.div(tf.mean(tf.square(tf.sub(fake, 1))), 2)
    case 'hinge':
    case 'wasserstein':
      return tf.neg(tf.mean(fake))
    case 'relativistic':
      if (!real) throw new Error('the relativistic loss compares with the logits of the originals')
      return criticLoss(tf, kind, fake, real)
  }
}

/** −E[log sigmoid(x)] */
function isReal(tf: Tf, logits: TF.Tensor): TF.Scalar {
  return tf.mean(tf.softplus(tf.neg(logits)))
}

/** −E[log(1 − sigmoid(x))] */
function isFake(tf: Tf, logits: TF.Tensor): TF.Scalar {
  return tf.mean(tf.softplus(logits))
}

function sum(tf: Tf, a: TF.Tensor, b: TF.Tensor): TF.Scalar {
  return tf.add(a, b)
}
