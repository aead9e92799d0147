import type { Node } from '../graph.js'
import { intOf } from './attributes.js'
import type { Draft } from './rewrite.js'

/** They answer with as many channels as their first input has. */
const KEEPING = new Set([
  ...['Relu', 'LeakyRelu', 'PRelu', 'Elu', 'Selu', 'Clip', 'Tanh', 'Sigmoid', 'HardSigmoid', 'Softplus', 'Softsign', 'Softmax'],
  ...['Identity', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'BatchNormalization', 'InstanceNormalization'],
])
const ARITHMETIC = new Set(['Add', 'Sub', 'Mul', 'Div'])

/** How many channels a picture has, where it follows from what makes it. */
export function channelCount(value: string, draft: Draft): number | undefined {
  let name = value
  while (KEEPING.has(draft.maker(name)?.op ?? '')) name = draft.maker(name)!.inputs[0]!
  const node = draft.maker(name)
  if (node) return countOf(node, draft)
  const channels = draft.constant(name) ? (draft.constant(name)!.dims.at(-3) ?? 1) : draft.inputDims(name)?.[1]
  return typeof channels === 'number' ? channels : undefined
}

function countOf(node: Node, draft: Draft): number | undefined {
  const kernel = draft.constant(node.inputs[1])?.dims
  if (node.op === 'Conv') return kernel?.[0]
  if (node.op === 'ConvTranspose') return kernel && kernel[1]! * intOf(node, 'group', 1)
  if (node.op === 'Concat' && intOf(node, 'axis', 0) === 1) {
    const counts = node.inputs.map(input => channelCount(input, draft))
    return counts.reduce((sum, count) => (sum === undefined || count === undefined ? undefined : sum + count), 0)
  }
  if (!ARITHMETIC.has(node.op)) return undefined
  // One channel is broadcast to those of the other side.
  const [first, second] = node.inputs as [string, string]
  const count = channelCount(first, draft)
  return count === 1 ? channelCount(second, draft) : count
}
