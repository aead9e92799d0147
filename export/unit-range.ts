import type * as TF from '@tensorflow/tfjs'
import type { Port } from '../models/card.js'
import type { Tf } from '../nets/engine.js'
import { layersOf } from '../nets/layers.js'
import { openForeign } from '../probe/foreign.js'
import { findRanges } from '../probe/range.js'
import { serialize } from './onnx.js'
import type { Ops } from './ops/call.js'
import { simplify } from './passes/index.js'
import { readModel } from './read.js'
import type { About } from './source.js'

type Range = Port['range']

/** Ranges that networks are trained in, as the command line has them. */
export const RANGES = { '0..1': [0, 1], '0..255': [0, 255], '-1..1': [-1, 1] } as const satisfies Record<string, Range>
export type RangeName = keyof typeof RANGES

/**
 * The network with pictures of [0, 1] at both ends, whatever range it was trained in.
 * @param model is part of the answer
 * @param asked the range of its pictures; where nobody says, its answers to flat colours tell, though of a network with hardly any
 *   biases not clearly
 * @param ops for layer classes that are not known here
 */
export async function onUnitRange(
  tf: Tf,
  model: TF.LayersModel,
  about: Pick<About, 'scale' | 'sizeMultiple'>,
  asked: RangeName | undefined,
  ops: Ops | undefined,
  say: (line: string) => void,
): Promise<TF.LayersModel> {
  const [from, to] = asked ? [RANGES[asked], RANGES[asked]] : await measured(model, about, ops)
  if (isUnit(from) && isUnit(to)) return model
  say(`its pictures are ${told(from)} going in and ${told(to)} coming out${asked ? '' : ', by its answers to flat colours'}`)
  return between(tf, model, from, to)
}

async function measured(
  model: TF.LayersModel,
  { scale, sizeMultiple }: Pick<About, 'scale' | 'sizeMultiple'>,
  ops: Ops | undefined,
): Promise<[Range, Range]> {
  const { graph } = simplify(readModel(model, ops).graph)
  const session = await openForeign(serialize(graph))
  try {
    const [, height, width] = model.inputs[0]!.shape
    const side = Math.ceil(SIDE / sizeMultiple) * sizeMultiple
    const ranges = await findRanges(session, port('input'), port('output'), scale, { height: height ?? side, width: width ?? side })
    return [ranges.input.range, ranges.output.range]
  } finally {
    await session.close()
  }
}

/** Of the picture of flat colours. */
const SIDE = 48

const isUnit = ([low, high]: readonly [number, number]) => low === 0 && high === 1

const told = ([low, high]: readonly [number, number]) => `${low} to ${high}`

const port = (name: string): Port => ({ name, channels: 3, order: 'RGB', layout: 'NCHW', type: 'float32', range: [0, 1] })

function between(
  tf: Tf,
  model: TF.LayersModel,
  [lowIn, highIn]: readonly [number, number],
  [lowOut, highOut]: readonly [number, number],
): TF.LayersModel {
  const { affine } = layersOf(tf)
  const span = highOut - lowOut
  const input = tf.input({ shape: model.inputs[0]!.shape.slice(1) })
  const answer = model.apply(affine({ factor: highIn - lowIn, offset: lowIn }).apply(input)) as TF.SymbolicTensor
  const output = affine({ factor: 1 / span, offset: lowOut === 0 ? 0 : -lowOut / span }).apply(answer) as TF.SymbolicTensor
  return tf.model({ inputs: input, outputs: output, name: model.name })
}
