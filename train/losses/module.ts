import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../../errors.js'
import type { Tf } from '../../nets/engine.js'
import { importDefault } from '../user-network.js'

/** A loss of one's own, `--loss ./my-loss.mjs`: output and original [n,h,w,3] in [0,1] → a scalar, made of tfjs ops that have gradients. */
export type ModuleLoss = (tf: Tf, output: TF.Tensor4D, target: TF.Tensor4D) => TF.Scalar

/**
 * Loads the module whose default export is a loss.
 * @throws UprezError `invalid-module` as `importDefault`, and when the loss is called and returns no scalar
 */
export async function loadLossModule(path: string): Promise<ModuleLoss> {
  const param = 'losses.module.path'
  const loss = await importDefault<(...args: Parameters<ModuleLoss>) => unknown>(path, param)
  return (tf, output, target) => {
    const value = loss(tf, output, target)
    if (value instanceof tf.Tensor && value.rank === 0) return value as TF.Scalar
    const got = value instanceof tf.Tensor ? `a tensor [${value.shape}]` : value instanceof Promise ? 'a promise' : typeof value
    throw new UprezError('invalid-module', `${path}: the loss returned ${got}, not a scalar`, { param, expected: 'a tf.Scalar', got })
  }
}
