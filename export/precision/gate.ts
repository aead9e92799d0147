import { UprezError } from '../../errors.js'
import type { Image } from '../../image/image.js'
import { psnrY } from '../../image/metrics.js'
import type { Precision } from '../../models/precision.js'
import type { Session } from '../../probe/session.js'
import type { Pair } from './pictures.js'

/** The most that a variant may lose, in dB. */
export const LIMITS: Record<Exclude<Precision, 'fp32'>, number> = { fp16: 0.05, int8: 0.3 }

/**
 * What PSNR-Y against the originals falls by, in dB, mean over the pictures. Not the plain difference of two PSNRs: where edges are
 * harder than on photographs, a wrong answer can be nearer to the original by chance. But rounding knows nothing of how the network
 * errs, so that the two errors' squares add up: 10·log10(1 + MSE(full, variant) / MSE(original, full)).
 * @param full the uint8 file of the network in float32, as `variant`
 */
export async function psnrLoss(full: Session, variant: Session, pairs: Pair[], scale: number): Promise<number> {
  let sum = 0
  for (const { low, high } of pairs) {
    const [expected, got] = [await enlarge(full, low, scale), await enlarge(variant, low, scale)]
    sum += lossOf(psnrY(high, expected, scale), psnrY(expected, got, scale))
  }
  return sum / pairs.length
}

function lossOf(psnr: number, psnrOfVariant: number): number {
  return psnrOfVariant === Infinity ? 0 : 10 * Math.log10(1 + 10 ** ((psnr - psnrOfVariant) / 10))
}

/** @throws UprezError `variant-refused` */
export function refuseLossy(precision: keyof typeof LIMITS, loss: number): void {
  const limit = LIMITS[precision]
  // Not "> limit": a NaN must not pass.
  if (loss <= limit) return
  const cure =
    precision === 'int8' ? 'calibrate on pictures like those it is for (--calibrate DIR), or leave --int8 out' : 'leave --fp16 out'
  const message = `the ${precision} variant loses ${loss.toFixed(2)} dB, more than ${limit}: ${cure}; nothing was written`
  throw new UprezError('variant-refused', message, { param: precision, expected: `at most ${limit} dB`, got: `${loss.toFixed(3)} dB` })
}

async function enlarge(session: Session, { data, width, height }: Image, scale: number): Promise<Image> {
  const bytes = await session.runBytes(data, [1, height, width, 3])
  return { data: bytes, width: width * scale, height: height * scale, channels: 3 }
}
