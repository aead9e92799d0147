import type { LayerCall, Op } from './call.js'
import { unsupported } from './call.js'

const pairwise =
  (op: string): Op =>
  call =>
    call.inputs.reduce((sum, input) => call.add(op, [sum, input]))

const concatenate: Op = call => {
  const axis = call.config.axis as number
  const nchw = [0, 2, 3, 1][axis < 0 ? axis + 4 : axis]
  if (nchw === undefined || call.inputShape.length !== 4)
    throw unsupported(call.layer, `cannot concatenate ${call.inputShape.length} dimensions along axis ${axis}`)
  return call.add('Concat', call.inputs, { axis: { int: nchw } })
}

/** The input beside itself along the channels, `times` times. */
const repeatChannels = (call: LayerCall) =>
  call.add('Concat', Array<string>(call.config.times as number).fill(call.inputs[0]!), { axis: { int: 1 } })

export const mergeOps: Record<string, Op> = {
  Add: pairwise('Add'),
  Multiply: pairwise('Mul'),
  Concatenate: concatenate,
  RepeatChannels: repeatChannels,
}
