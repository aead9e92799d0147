import type * as tf from '@tensorflow/tfjs'
import type { Graph, Value } from './graph.js'
import { node } from './graph.js'
import { unsupported } from './ops/call.js'
import { ops } from './ops/index.js'

/**
 * Reads a tfjs LayersModel from one NHWC image to another as a graph in NCHW. Starts at the output and
 * follows each value to the layer call that made it, so layers that do not matter never appear.
 * @throws UprezError `unsupported-layer` naming the layer
 */
export function readModel(model: tf.LayersModel): Graph {
  const graph: Graph = { name: model.name, inputs: [], outputs: [], nodes: [], initializers: new Map(), metadata: {} }
  const names = new Map<number, string>()
  const nameOf = (value: tf.SymbolicTensor): string => {
    const known = names.get(value.id)
    if (known !== undefined) return known
    const name = readCall(graph, value, nameOf)
    names.set(value.id, name)
    return name
  }

  const input = single(model.inputs, 'input')
  graph.inputs.push(imageValue('input', input, ''))
  names.set(input.id, 'input')
  const output = single(model.outputs, 'output')
  graph.outputs.push(imageValue('output', output, 'output_'))
  graph.nodes.push(node('Identity', [nameOf(output)], ['output']))
  return graph
}

function readCall(graph: Graph, value: tf.SymbolicTensor, nameOf: (value: tf.SymbolicTensor) => string): string {
  const layer = value.sourceLayer
  const op = ops[layer.getClassName()]
  if (!op) throw unsupported(layer, `no export for the layer class ${layer.getClassName()}; known: ${Object.keys(ops).sort().join(', ')}`)
  const made = layer.inboundNodes[value.nodeIndex]!
  const inputs = made.inputTensors.map(nameOf)
  return op({
    layer,
    config: layer.getConfig() as Record<string, unknown>,
    inputs,
    inputShape: made.inputTensors[0]!.shape,
    add: (op, inputs, attributes) => {
      const output = `${layer.name}/${op}_${graph.nodes.length}`
      graph.nodes.push(node(op, inputs, [output], attributes))
      return output
    },
    constant: (name, constant) => {
      graph.initializers.set(`${layer.name}/${name}`, constant)
      return `${layer.name}/${name}`
    },
  })
}

function single(values: tf.SymbolicTensor[], what: string): tf.SymbolicTensor {
  const [value] = values
  if (values.length !== 1) throw unsupported(value!.sourceLayer, `expected one ${what} of the network, got ${values.length}`)
  return value!
}

/** Free sizes get names: an output's height and width are other numbers than the input's. */
function imageValue(name: string, value: tf.SymbolicTensor, prefix: string): Value {
  if (value.shape.length !== 4) {
    throw unsupported(
      value.sourceLayer,
      `expected an image [batch, height, width, channels] as the network's ${name}, got ${value.shape.length} dimensions`,
    )
  }
  const [n, h, w, c] = value.shape as [number | null, number | null, number | null, number]
  return { name, type: 'float32', dims: [n ?? 'batch', c, h ?? `${prefix}height`, w ?? `${prefix}width`] }
}
