import { UprezError } from '../../errors.js'
import { openSession, type Session } from '../../probe/session.js'
import type { Graph } from '../graph.js'
import { serialize } from '../onnx.js'
import { toUint8Nhwc } from '../uint8.js'
import { compareBytes } from '../variant.js'
import { measureRanges } from './calibrate.js'
import { toFloat16 } from './fp16.js'
import { type LIMITS, psnrLoss, refuseLossy } from './gate.js'
import { innerConvolutions, roundedValues, toInt8 } from './int8.js'
import { findPictures, type Pictures, type Sizes } from './pictures.js'

export interface ShrinkOptions {
  /** Write `model.fp16.onnx`: half the size. */
  fp16?: boolean
  /** Write `model.int8.onnx`: a quarter of the size, and faster on CPUs. */
  int8?: boolean
  /** Folder of pictures such as the model is for: to calibrate int8 on, and to judge both on. Default: drawn ones. */
  calibrate?: string
}

type Shrunk = keyof typeof LIMITS

export interface ShrunkVariant {
  precision: Shrunk
  graph: Graph
  /** Largest difference to the canonical file's answer in 8-bit steps. */
  maxDifference: number
  /** In dB; see `psnrLoss`. */
  psnrLoss: number
}

const MAKERS: Record<Shrunk, (graph: Graph, pictures: Pictures) => Graph | Promise<Graph>> = {
  fp16: toFloat16,
  int8: async (graph, { calibration }) => toInt8(graph, await measureRanges(graph, roundedValues(graph), calibration)),
}

/**
 * The variants of lower precision that are asked for, with uint8 NHWC ends, each judged against the file in float32.
 * @param graph the canonical one, and `canonical` its session
 * @throws UprezError `variant-refused` for one that loses too much or gains nothing; `no-input`, `no-images`, `invalid-option`
 */
export async function shrink(
  graph: Graph,
  canonical: Session,
  sizes: Sizes & { compared: { width: number; height: number } },
  options: ShrinkOptions,
  say: (line: string) => void,
): Promise<ShrunkVariant[]> {
  const wanted = (['fp16', 'int8'] as const).filter(precision => options[precision])
  if (wanted.length === 0) return []
  if (wanted.includes('int8')) refuseNothingToRound(graph)
  const pictures = await findPictures(options.calibrate, sizes, say)
  const full = await openSession(serialize(toUint8Nhwc(graph)))
  const variants: ShrunkVariant[] = []
  try {
    for (const precision of wanted) {
      say(`making and judging the ${precision} variant`)
      const made = toUint8Nhwc(await MAKERS[precision](graph, pictures))
      const session = await openSession(serialize(made))
      try {
        const loss = await psnrLoss(full, session, pictures.judged, sizes.scale)
        refuseLossy(precision, loss)
        variants.push({ precision, graph: made, maxDifference: await compareBytes(canonical, session, sizes.compared), psnrLoss: loss })
      } finally {
        await session.close()
      }
    }
  } finally {
    await full.close()
  }
  return variants
}

function refuseNothingToRound(graph: Graph): void {
  if (innerConvolutions(graph).length > 0) return
  const message =
    'the int8 variant would be the network as it is: the first and the last convolution stay in float32, and there is none between'
  throw new UprezError('variant-refused', message, { param: 'int8', expected: 'three convolutions in a chain' })
}

/**
 * Before any work: what can be known to be wrong with the options.
 * @throws UprezError `invalid-option`
 */
export function checkShrink({ fp16, int8, calibrate }: ShrinkOptions): void {
  if (calibrate === undefined || fp16 || int8) return
  const expected = '--fp16 or --int8 with it'
  throw new UprezError('invalid-option', `--calibrate: expected ${expected}`, { param: 'calibrate', expected, got: 'neither' })
}
