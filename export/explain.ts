import type * as TF from '@tensorflow/tfjs'
import type { Tf } from '../nets/engine.js'
import type { NetworkFacts } from '../nets/facts.js'
import { openSession, type Planes } from '../probe/session.js'
import { casesFor, planesOf, sizesFor } from './cases.js'
import type { Graph, Node, Value } from './graph.js'
import { type NetworkOptions, observedSizes, openNetwork } from './network.js'
import { serialize } from './onnx.js'
import { simplify } from './passes/index.js'
import { type Reading, readModel } from './read.js'
import { allowed, largestDifference, runTfjs } from './verify.js'

/** Where ONNX Runtime first leaves what tfjs computes. */
export interface FirstDifference {
  /** The layer whose answer is wrong, and its class. */
  layer: string
  className: string
  /** Name of its answer in the graph. */
  value: string
  /** What is wrong with it, in words. */
  wrong: string
  /** What the layer reads: each agrees, as far as could be seen. */
  inputs: { value: string; difference: number | undefined }[]
  /** The nodes between those and the answer. */
  nodes: Node[]
  /** Sizes of the inputs it was found with. */
  tried: string
  /** The pass that did it; undefined where the graph was wrong as it was read, or ONNX Runtime's own optimising is at fault. */
  pass?: string
  /** Whether the values agree as long as each can be looked at, so that ONNX Runtime may not merge the nodes that make them. */
  merged?: boolean
}

/** Simplifies a graph and tells what each pass that finds something to do has made of it. */
export type Simplify = (graph: Graph, watch: (pass: string, graph: Graph) => void) => unknown

/**
 * Finds the first layer, in the order of the graph, whose answer in ONNX Runtime is further from tfjs' than `allowed` though all it
 * reads agrees. First in the graph as it was read, then after each pass.
 * @param reading of `model`
 * @param about sizes are chosen by it
 * @returns undefined where no value differs
 */
export async function explain(
  tf: Tf,
  model: TF.LayersModel,
  reading: Reading,
  rewrite: Simplify,
  about: Pick<NetworkFacts, 'sizeMultiple' | 'flopsPerPixel'>,
): Promise<FirstDifference | undefined> {
  const ends = new Map(reading.graph.outputs.map(({ name }, i) => [name, model.outputs[i]!]))
  const values = new Map([...reading.origins, ...ends])
  const answers = await runLayers(tf, model, values, about)
  const asRead = await firstDifference(reading.graph, values, answers)
  if (asRead) return asRead

  const stages: [string, Graph][] = []
  rewrite(reading.graph, (pass, graph) => stages.push([pass, graph]))
  const graph = stages.at(-1)?.[1] ?? reading.graph
  if (await firstDifference(graph, values, answers)) {
    for (const [pass, graph] of stages) {
      const finding = await firstDifference(graph, values, answers)
      if (finding) return { ...finding, pass }
    }
  }
  const merged = await firstDifference(graph, ends, answers)
  return merged && { ...merged, merged: true }
}

/**
 * The same for a network in files.
 * @throws UprezError what `openNetwork` throws; `unsupported-layer`, `invalid-option`
 */
export async function explainRun(options: NetworkOptions & { without?: string[] }): Promise<FirstDifference | undefined> {
  const { without } = options
  const { tf, model, about, ops } = await openNetwork(options)
  const rewrite: Simplify = (graph, watch) => simplify(graph, { without, watch })
  return explain(tf, model, readModel(model, ops), rewrite, about ?? observedSizes(tf, model))
}

/** For people, a line a fact. */
export function describe(finding: FirstDifference | undefined): string[] {
  if (!finding) return ['no node differs']
  const { layer, className, value, wrong, inputs, nodes, tried, pass, merged } = finding
  const cause = pass
    ? `the pass ${pass} did it: before it the values agreed`
    : merged
      ? "ONNX Runtime's own optimising did it: the values agree as long as each can be looked at"
      : `in the graph as it was read, before any pass`
  return [
    `the first to differ is layer ${layer} (${className}): ${value} ${wrong}`,
    `  with ${tried}`,
    `  ${cause}`,
    ...nodes.map(({ op, inputs, outputs }) => `  ${op}: ${inputs.filter(Boolean).join(', ')} → ${outputs.join(', ')}`),
    ...inputs.map(
      ({ value, difference }) => `  reads ${value}${difference === undefined ? '' : `, which agrees (${difference.toExponential(1)})`}`,
    ),
  ]
}

/** Values of the graph that tfjs can be asked for. */
type LayerValues = Map<string, TF.SymbolicTensor>

/** What the layers answered to one set of inputs. */
interface Answers {
  tried: string
  inputs: Planes[]
  /** By the number of the layers model's value. */
  expected: Map<number, Planes>
}

async function runLayers(
  tf: Tf,
  model: TF.LayersModel,
  values: LayerValues,
  about: Pick<NetworkFacts, 'sizeMultiple' | 'flopsPerPixel'>,
): Promise<Answers[]> {
  const asked = [...new Map([...values.values()].map(value => [value.id, value])).values()]
  // Not disposed of: its layers are the model's.
  const opened = tf.model({ inputs: model.inputs, outputs: asked })
  const answers: Answers[] = []
  for (const { size, batch, inputs } of casesFor(tf, model, sizesFor(tf, model, about))) {
    const planes = await runTfjs(tf, opened, inputs)
    answers.push({
      tried: `${size ? `pictures of ${size.join('×')} (height × width), ` : ''}${batch} at a time`,
      inputs: await Promise.all(inputs.map(input => planesOf(tf, input))),
      expected: new Map(asked.map((value, i) => [value.id, planes[i]!])),
    })
    tf.dispose(inputs)
  }
  return answers
}

/** Of the values that tfjs was asked for, as far as the graph still has them. */
async function firstDifference(graph: Graph, values: LayerValues, answers: Answers[]): Promise<FirstDifference | undefined> {
  const made = graph.nodes.flatMap(({ outputs }) => outputs).filter(name => values.has(name))
  // Where ONNX Runtime refuses the graph as a whole, the span between the part that it takes and the part that it does not is halved.
  let [taken, refused, next, reason] = [0, made.length + 1, made.length, '']
  while (refused - taken > 1) {
    try {
      const finding = await firstAmong(made.slice(0, next), graph, values, answers)
      if (finding) return finding
      taken = next
    } catch (error) {
      refused = next
      reason = String(error)
    }
    next = (taken + refused) >> 1
  }
  const value = made[refused - 1]
  if (value === undefined) return undefined
  const agreeing = new Map(made.slice(0, taken).map(name => [name, undefined]))
  const wrong = `is refused by ONNX Runtime: ${reason}`
  return { ...placeOf(values.get(value)!), value, wrong, tried: answers[0]!.tried, ...between(graph, value, agreeing) }
}

/** Runs the part of the graph that makes the values, with each of them as an output. */
async function firstAmong(made: string[], graph: Graph, values: LayerValues, answers: Answers[]): Promise<FirstDifference | undefined> {
  const last = graph.nodes.findIndex(({ outputs }) => outputs.includes(made.at(-1)!))
  const outputs = made.map((name): Value => {
    return { name, type: 'float32', dims: values.get(name)!.shape.map((_, axis) => `${name}_${axis}`) }
  })
  const session = await openSession(serialize({ ...graph, nodes: graph.nodes.slice(0, last + 1), outputs }))
  try {
    for (const { tried, inputs, expected } of answers) {
      const got = await session.runAll(inputs)
      const agreeing = new Map<string, number>()
      for (const [i, name] of made.entries()) {
        const value = values.get(name)!
        const want = expected.get(value.id)!
        const difference = largestDifference(want.data, got[i]!.data)
        const wrong = wrongIn(want, got[i]!, difference)
        if (wrong) return { ...placeOf(value), value: name, wrong, tried, ...between(graph, name, agreeing) }
        agreeing.set(name, difference)
      }
    }
  } finally {
    await session.close()
  }
  return undefined
}

function placeOf({ sourceLayer }: TF.SymbolicTensor): Pick<FirstDifference, 'layer' | 'className'> {
  return { layer: sourceLayer.name, className: sourceLayer.getClassName() }
}

function wrongIn(want: Planes, got: Planes, difference: number): string | undefined {
  const [expected, shape] = [want.dims.join('×'), got.dims.join('×')]
  if (shape !== expected) return `is ${shape} instead of ${expected}`
  const limit = allowed(want.data)
  if (Number.isFinite(difference) && difference <= limit) return undefined
  return `differs by ${difference.toExponential(1)}, allowed ${limit.toExponential(1)}`
}

/** The nodes that make a value of those that agree, and these with their differences. */
function between(graph: Graph, value: string, agreeing: Map<string, number | undefined>): Pick<FirstDifference, 'nodes' | 'inputs'> {
  const makers = new Map(graph.nodes.flatMap(node => node.outputs.map(output => [output, node])))
  const nodes = new Set<Node>()
  const read = new Set<string>()
  const open = [value]
  while (open.length > 0) {
    const next = open.pop()!
    const maker = makers.get(next)
    if (next !== value && (agreeing.has(next) || !maker)) {
      if (next !== '' && !graph.initializers.has(next)) read.add(next)
    } else if (maker && !nodes.has(maker)) {
      nodes.add(maker)
      open.push(...maker.inputs)
    }
  }
  // What no node makes is an input of the whole network.
  const inputs = [...read].map(value => ({ value, difference: agreeing.has(value) ? agreeing.get(value) : 0 }))
  return { nodes: graph.nodes.filter(node => nodes.has(node)), inputs }
}
