import type * as TF from '@tensorflow/tfjs'
import type { Port } from '../models/card.js'
import type { Tf } from '../nets/engine.js'
import { layersOf } from '../nets/layers.js'
import { openForeign } from '../probe/foreign.js'
import { findRanges } from '../probe/range.js'
import { RANGES, type RangeName } from '../probe/ranges.js'
import type { Graph } from './graph.js'
import { serialize } from './onnx.js'
import type { About } from './source.js'

type Range = Port['range']

/**
 * The network with pictures of [0, 1] at both ends, whatever range it was trained in.
 * @param model is part of the answer
 * @param graph the model as it was read
 * @param asked the range of its pictures; where nobody says, its answers to flat colours tell, though of a network with hardly any
 *   biases not clearly
 */
export async function onUnitRange(
  tf: Tf,
  model: TF.LayersModel,
  graph: Graph,
  about: Pick<About, 'scale' | 'sizeMultiple'>,
  asked: RangeName | undefined,
  say: (line: string) => void,
): Promise<TF.LayersModel> {
  const [from, to] = asked ? [RANGES[asked], RANGES[asked]] : await measured(model, graph, about)
  if (isUnit(from) && isUnit(to)) return model
  say(`its pictures are ${told(from)} going in and ${told(to)} coming out${asked ? '' : ', by its answers to flat colours'}`)
  return between(tf, model, from, to)
}

async function measured(
  model: TF.LayersModel,
  graph: Graph,
  { scale, sizeMultiple }: Pick<About, 'scale' | 'sizeMultiple'>,
): Promise<[Range, Range]> {
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
