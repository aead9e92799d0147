import { isDeepStrictEqual } from 'node:util'
import type * as TF from '@tensorflow/tfjs'
import type { UprezError } from '../errors.js'
import { type Call, isNetwork, walk } from '../nets/walk.js'
import type { Graph, Value } from './graph.js'
import { node } from './graph.js'
import { type Ops, unsupported } from './ops/call.js'
import { ops } from './ops/index.js'

/** A graph as it was read, and where in the layers model its values come from. */
export interface Reading {
  graph: Graph
  /** The layers model's value that each named value is; a layer that is called anew in a nested model has none. */
  origins: Map<string, TF.SymbolicTensor>
}

/**
 * Reads a tfjs LayersModel as a graph; values of four dimensions become NCHW. Starts at the outputs and follows each value to the layer
 * call that made it, so layers that do not matter never appear. Nodes, values and constants are named after their layers.
 * @param more ops for layer classes that are not known here, or to be written otherwise
 * @throws UprezError `unsupported-layer` naming the layer
 */
export function readModel(model: TF.LayersModel, more: Ops = {}): Reading {
  const graph: Graph = { name: model.name, inputs: [], outputs: [], nodes: [], initializers: new Map(), metadata: {} }
  const origins: Reading['origins'] = new Map()
  const taken = new Set<string>()
  const known = { ...ops, ...more }

  const inputNames = portNames(model.inputs, model.inputNames, 'input')
  const outputNames = portNames(model.outputs, model.outputNames, 'output')
  for (const name of [...inputNames, ...outputNames]) taken.add(name)
  graph.inputs = model.inputs.map((value, i) => port(inputNames[i]!, value, ''))
  graph.outputs = model.outputs.map((value, i) => port(outputNames[i]!, value, 'output_'))
  const answers = readInto(model, inputNames, '')
  for (const [i, answer] of answers.entries()) graph.nodes.push(node('Identity', [answer], [outputNames[i]!]))
  return { graph, origins }

  /** Writes one call of a model and returns the names of its answers. */
  function readInto(model: TF.LayersModel, inputs: string[], scope: string): string[] {
    return walk(model, inputs, (layer, inputs, call) => {
      const place = scope + layer.name
      const answers = isNetwork(layer) ? readInto(layer, inputs, `${place}/`) : [readLayer(layer, place, inputs, call)]
      if (scope === '') for (const [i, output] of call.outputTensors.entries()) origins.set(answers[i]!, output)
      return answers
    })
  }

  function readLayer(layer: TF.layers.Layer, place: string, inputs: string[], { inputTensors, outputTensors }: Call): string {
    const op = known[layer.getClassName()]
    if (!op) throw unknownLayer(layer, Object.keys(known))
    return op({
      layer,
      config: layer.getConfig() as Record<string, unknown>,
      inputs,
      inputShape: shapeOf(inputTensors[0]!),
      inputShapes: inputTensors.map(shapeOf),
      outputShape: shapeOf(outputTensors[0]!),
      add: (op, inputs, attributes) => {
        const output = free(`${place}/${op}`)
        graph.nodes.push(node(op, inputs, [output], attributes))
        return output
      },
      constant: (name, constant) => {
        for (let i = 0; ; i++) {
          const unique = i === 0 ? `${place}/${name}` : `${place}/${name}_${i}`
          const there = graph.initializers.get(unique)
          if (!there) graph.initializers.set(unique, constant)
          if (!there || isDeepStrictEqual(there, constant)) return unique
        }
      },
    })
  }

  function free(name: string): string {
    let unique = name
    for (let i = 1; taken.has(unique); i++) unique = `${name}_${i}`
    taken.add(unique)
    return unique
  }
}

/** tfjs subtracts borders from free sizes, too: what is less than one is free. */
function shapeOf(value: TF.SymbolicTensor): (number | null)[] {
  return value.shape.map(size => (size !== null && size > 0 ? size : null))
}

function unknownLayer(layer: TF.layers.Layer, known: string[]): UprezError {
  const what = layer.getClassName()
  return unsupported(layer, `no export for the layer class ${what}; known: ${known.sort().join(', ')}; --layers FILE supplies others`)
}

/** One picture in and one out are "input" and "output", as runtimes expect; several keep their layers' names. */
function portNames(values: TF.SymbolicTensor[], layers: string[], alone: string): string[] {
  if (values.length === 1) return [alone]
  return values.map((_, i) => {
    const name = layers[i]!
    return layers.filter(other => other === name).length === 1 ? name : `${name}_${i}`
  })
}

/** Free sizes get names: an output's height and width are other numbers than the input's. */
function port(name: string, value: TF.SymbolicTensor, prefix: string): Value {
  const [batch, ...sizes] = shapeOf(value)
  const names = sizes.length === 3 ? ['height', 'width', 'channels'] : sizes.map((_, i) => `size_${i + 1}`)
  const dims = sizes.map((size, i) => size ?? prefix + names[i]!)
  if (sizes.length === 3) dims.unshift(dims.pop()!)
  return { name, type: 'float32', dims: [batch ?? 'batch', ...dims] }
}
