import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Graph } from '../../export/graph.js'
import { floats, node } from '../../export/graph.js'
import { serialize } from '../../export/onnx.js'
import { measureRanges } from '../../export/precision/calibrate.js'
import { toFloat16 } from '../../export/precision/fp16.js'
import { roundedValues, toInt8 } from '../../export/precision/int8.js'
import { toUint8Nhwc } from '../../export/uint8.js'
import type { GraphFile, UpscaleCard } from '../../models/card.js'
import { parseCard } from '../../models/card.js'
import { drawPhoto } from './draw.js'

export interface ModelSpec {
  id?: string
  title?: string
  scale?: number
  /** `nearest` repeats every pixel; `network` is a compact convolutional net with random weights near `nearest`. */
  kind?: 'nearest' | 'network'
  /** In place of both; its halo must then be told. */
  graph?: Graph
  /** 3×3 convolutions of the network; also its receptive field. */
  depth?: number
  channels?: number
  /** Overlap in the card; default the receptive field. null: cannot be tiled. */
  halo?: number | null
  sizeMultiple?: number
  /** Without it only the canonical float file is written. Default true. */
  uint8?: boolean
  /** Variants of lower precision, of a network. Default none. */
  precisions?: ('fp16' | 'int8')[]
}

/** Writes `models/<id>/` with a drawn-up network into `modelsDir`: graph files and a valid card. */
export async function writeModel(modelsDir: string, spec: ModelSpec = {}): Promise<{ dir: string; card: UpscaleCard }> {
  const { id = 'test-model', scale = 2, kind = 'nearest', depth = 3, channels = 8, uint8 = true, sizeMultiple = 1 } = spec
  const receptiveField = kind === 'nearest' ? 0 : depth
  const halo = spec.halo === undefined ? receptiveField : spec.halo
  const graph = spec.graph ?? (kind === 'nearest' ? nearestGraph(scale) : networkGraph({ scale, depth, channels }))
  const dir = join(modelsDir, id)
  await mkdir(dir, { recursive: true })

  const model = await write(dir, 'model.onnx', graph)
  const variants = uint8 ? { uint8: { ...(await write(dir, 'model.uint8.onnx', toUint8Nhwc(graph))), maxDifference: 0 } } : {}
  const shrunk = await Promise.all(
    (spec.precisions ?? []).map(async precision => {
      const made =
        precision === 'fp16' ? toFloat16(graph) : toInt8(graph, await measureRanges(graph, roundedValues(graph), [drawPhoto(48, 48)]))
      const file = await write(dir, `model.${precision}.onnx`, toUint8Nhwc(made))
      return [precision, { ...file, precision, maxDifference: 0, psnrLoss: 0 }]
    }),
  )
  const card = parseCard(
    {
      cardVersion: 1,
      task: 'upscale',
      id,
      title: spec.title ?? `Test model (${kind})`,
      purpose: 'Tests.',
      scale,
      model,
      sizeMultiple,
      fixedSize: null,
      receptiveField,
      halo,
      haloError: halo === null ? null : 0,
      variants: { ...variants, ...Object.fromEntries(shrunk) },
      parameters: [...graph.initializers.values()].reduce((sum, c) => sum + c.data.length, 0),
      flopsPerPixel: 0,
      training: { preset: 'none', overrides: {}, steps: 0, seed: 0, engine: 'none', data: [], featureLoss: null },
      scores: [],
      parity: { maxDifference: 0, against: 'not compared', sizes: [] },
      licence: 'MIT',
    },
    'test card',
  ) as UpscaleCard
  await writeFile(join(dir, 'card.json'), `${JSON.stringify(card, null, 2)}\n`)
  return { dir, card }
}

/** Every pixel `scale`×`scale` times: the smallest upscaler there is. */
export function nearestGraph(scale: number): Graph {
  return {
    ...emptyGraph(scale),
    nodes: [repeat('input', 'repeated', scale), depthToSpace('repeated', 'output', scale)],
  }
}

/**
 * The shape of the shipped network with random weights: convolutions with leaky ReLU, a skip over the
 * body, a small tail whose answer is added to the repeated input, so a picture stays a picture.
 */
export function networkGraph(options: { scale: number; depth: number; channels: number; seed?: number }): Graph {
  const { scale, depth, channels, seed = 1 } = options
  const random = randomNumbers(seed)
  const graph = emptyGraph(scale)
  const conv = (input: string, from: number, to: number, gain: number) => {
    const index = graph.nodes.length
    const bound = gain * Math.sqrt(6 / (9 * from))
    const weights = Array.from({ length: 9 * from * to }, () => (2 * random() - 1) * bound)
    graph.initializers.set(`w${index}`, floats([to, from, 3, 3], weights))
    graph.initializers.set(`b${index}`, floats([to], new Float32Array(to)))
    graph.nodes.push(node('Conv', [input, `w${index}`, `b${index}`], [`conv${index}`], { pads: { ints: [1, 1, 1, 1] } }))
    return `conv${index}`
  }
  const leaky = (input: string) => {
    graph.nodes.push(node('LeakyRelu', [input], [`${input}_leaky`], { alpha: { float: 0.1 } }))
    return `${input}_leaky`
  }
  const first = leaky(conv('input', 3, channels, 1))
  let body = first
  for (let i = 2; i < depth; i++) body = leaky(conv(body, channels, channels, 1))
  if (body !== first) {
    graph.nodes.push(node('Add', [body, first], ['body']))
    body = 'body'
  }
  const tail = conv(body, channels, 3 * scale ** 2, 0.02)
  graph.nodes.push(repeat('input', 'repeated', scale), node('Add', [tail, 'repeated'], ['sum']), depthToSpace('sum', 'output', scale))
  return graph
}

function emptyGraph(scale: number): Graph {
  return {
    name: 'test',
    inputs: [{ name: 'input', type: 'float32', dims: ['batch', 3, 'height', 'width'] }],
    outputs: [{ name: 'output', type: 'float32', dims: ['batch', 3, `height_x${scale}`, `width_x${scale}`] }],
    nodes: [],
    initializers: new Map(),
    metadata: {},
  }
}

function repeat(input: string, output: string, scale: number) {
  return node('Concat', Array(scale ** 2).fill(input), [output], { axis: { int: 1 } })
}

function depthToSpace(input: string, output: string, scale: number) {
  return node('DepthToSpace', [input], [output], { blocksize: { int: scale }, mode: { string: 'DCR' } })
}

async function write(dir: string, file: string, graph: Graph): Promise<GraphFile> {
  const bytes = serialize(graph)
  await writeFile(join(dir, file), bytes)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const port =
    graph.inputs[0]!.type === 'uint8'
      ? { layout: 'NHWC', type: 'uint8', range: [0, 255] }
      : { layout: 'NCHW', type: 'float32', range: [0, 1] }
  const rgb = { channels: 3, order: 'RGB', ...port } as Omit<GraphFile['input'], 'name'>
  return { file, sha256, bytes: bytes.length, input: { name: 'input', ...rgb }, output: { name: 'output', ...rgb } }
}

/** Mulberry32: the same numbers everywhere. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
