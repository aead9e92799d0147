import type * as TF from '@tensorflow/tfjs'

/** What a layer was called with and what it made. */
export interface Call {
  inputTensors: TF.SymbolicTensor[]
  outputTensors: TF.SymbolicTensor[]
}

/**
 * Follows a network from its outputs back to its inputs and tells what it answers from what its layers do, without running any. Layers
 * that do not matter are not asked, the others once a call.
 * @param given what is known of each input
 * @param answersOf what a layer makes of what is known of its inputs, one answer per output; a network used as a layer is one layer here
 */
export function walk<T>(
  network: TF.LayersModel,
  given: readonly T[],
  answersOf: (layer: TF.layers.Layer, inputs: T[], call: Call) => T[],
): T[] {
  const known = new Map(network.inputs.map(({ id }, i) => [id, given[i]!]))
  return network.outputs.map(output => {
    for (const { sourceLayer, call } of callsBefore(output, ({ id }) => known.has(id))) {
      const inputs = call.inputTensors.map(({ id }) => known.get(id)!)
      const answers = answersOf(sourceLayer, inputs, call)
      for (const [i, { id }] of call.outputTensors.entries()) known.set(id, answers[i]!)
    }
    return known.get(output.id)!
  })
}

/** A network used as a layer. */
export function isNetwork(layer: TF.layers.Layer): layer is TF.LayersModel {
  return 'layers' in layer && 'inputs' in layer
}

/** The calls that a value needs, in an order in which they can be made: a deep network would exhaust the stack of a recursion. */
function callsBefore(output: TF.SymbolicTensor, isKnown: (value: TF.SymbolicTensor) => boolean) {
  const order: { sourceLayer: TF.layers.Layer; call: Call }[] = []
  const seen = new Set<Call>()
  const open = [{ value: output, ready: false }]
  while (open.length > 0) {
    const { value, ready } = open.pop()!
    if (isKnown(value)) continue
    const call = value.sourceLayer.inboundNodes[value.nodeIndex] as Call
    if (ready) order.push({ sourceLayer: value.sourceLayer, call })
    else if (!seen.has(call)) {
      seen.add(call)
      open.push({ value, ready: true })
      for (const input of call.inputTensors.toReversed()) open.push({ value: input, ready: false })
    }
  }
  return order
}
