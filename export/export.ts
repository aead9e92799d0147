import { createHash } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type * as TF from '@tensorflow/tfjs'
import { UprezError } from '../errors.js'
import { type GraphFile, parseCard, type UpscaleCard } from '../models/card.js'
import type { Tf } from '../nets/engine.js'
import { saveModel } from '../nets/model-files.js'
import { measureHalo } from '../probe/halo.js'
import type { RangeName } from '../probe/ranges.js'
import { replaceModel } from '../probe/replace-model.js'
import { openSession, type Session } from '../probe/session.js'
import { leastSide } from './cases.js'
import type { Graph } from './graph.js'
import { type NetworkOptions, observed, openNetwork } from './network.js'
import { serialize } from './onnx.js'
import type { Ops } from './ops/call.js'
import { checkPasses, simplify } from './passes/index.js'
import { checkShrink, type ShrinkOptions, shrink } from './precision/shrink.js'
import { readModel } from './read.js'
import type { About, Source } from './source.js'
import { toUint8Nhwc } from './uint8.js'
import { onUnitRange } from './unit-range.js'
import { compareBytes } from './variant.js'
import { compareWithTfjs } from './verify.js'

export interface ExportOptions extends OutputOptions, NetworkOptions {
  /** What the pictures of a network are of which nobody says; default: measured. Ours are 0..1. */
  range?: RangeName
}

export interface OutputOptions extends ShrinkOptions {
  /** The model folder to write: `models/<id>`. One that stands there is replaced as a whole, and `say` told what of it goes. */
  output: string
  /** Default: the name of the output folder. */
  id?: string
  title?: string
  purpose?: string
  /** Licence of the weights. */
  licence?: string
  /** What the graph is compared with; default wasm, which every machine has. */
  engine?: NetworkOptions['engine']
  /** Passes that do not run, by the names that a card has for them. */
  without?: string[]
  /** Receives one line per stage. */
  say?: (line: string) => void
}

/**
 * Writes a trained network as `models/<id>/`: the canonical ONNX file, its uint8 variant, the tfjs weights
 * and a card. All of it stands there at the end, or nothing does.
 * @throws UprezError what `openNetwork` throws; `unsupported-layer`, `parity-failed`, `variant-refused`, `output-exists`, `invalid-option`,
 *   `not-writable`
 */
export async function exportRun(options: ExportOptions): Promise<{ dir: string; card: UpscaleCard }> {
  await checkOutput(options)
  const { tf, model, about, words, ops } = await openNetwork(options)
  if (about) {
    refuseRange(options)
    return exportNetwork(tf, model, about, words, options, ops)
  }
  const seen = observed(tf, model, ops)
  const { graph } = readModel(model, ops)
  refuseOtherThanRgb(graph)
  const unit = await onUnitRange(tf, model, graph, seen, options.range, options.say ?? (() => {}))
  return exportNetwork(tf, unit, seen, words, options, ops)
}

/**
 * The same for a network in memory.
 * @param model is used up
 * @param words used where the options have none
 * @param more ops for layer classes that are not known here
 */
export async function exportNetwork(
  tf: Tf,
  model: TF.LayersModel,
  about: About,
  words: Source['words'],
  options: OutputOptions,
  more?: Ops,
): Promise<{ dir: string; card: UpscaleCard }> {
  const { dir, id } = await checkOutput(options)
  const files = await exportModel(tf, model, { ...about, id }, options, more)
  const card = parseCard(
    {
      cardVersion: 1,
      task: 'upscale',
      id,
      title: options.title ?? words.title ?? `${id}: ${about.scale} times larger`,
      purpose: options.purpose ?? words.purpose ?? `Enlarges pictures ${about.scale} times.`,
      scale: about.scale,
      ...files.card,
      sizeMultiple: about.sizeMultiple,
      receptiveField: about.receptiveField,
      parameters: about.parameters,
      flopsPerPixel: about.flopsPerPixel,
      training: about.training,
      scores: words.scores ?? [],
      licence: options.licence ?? words.licence ?? 'not stated',
    },
    `${dir}/card.json`,
  )
  await replaceModel(dir, options.say ?? (() => {}), async temporary => {
    for (const [name, bytes] of Object.entries(files.bytes)) await writeFile(join(temporary, name), bytes)
    await writeFile(join(temporary, 'card.json'), `${JSON.stringify(card, null, 2)}\n`)
    await saveModel(model, join(temporary, 'weights'))
  })
  model.dispose()
  return { dir, card }
}

/** The network as a graph in NCHW, simplified. `metadata` goes into the file. */
export function exportGraph(model: TF.LayersModel, metadata: Record<string, string> = {}): Graph {
  return { ...simplify(readModel(model).graph).graph, metadata }
}

type Measured = Pick<UpscaleCard, 'model' | 'fixedSize' | 'halo' | 'haloError' | 'variants' | 'passes' | 'parity'>

/** The files of a model folder, and what was measured on them. */
async function exportModel(tf: Tf, model: TF.LayersModel, about: About & { id: string }, options: OutputOptions, more?: Ops) {
  const { say = () => {}, without } = options
  const { graph, applied } = simplify(readModel(model, more).graph, { without })
  refuseOtherThanRgb(graph)
  const fixedSize = fixedSizeOf(graph)
  const bytes = serialize(graph)
  say('comparing with TensorFlow.js')
  const parity = await compareWithTfjs(tf, model, bytes, about)

  const session = await openSession(bytes)
  try {
    say('measuring the overlap that tiles need')
    const { receptiveField } = about
    const tiling =
      receptiveField === null || fixedSize
        ? { halo: null, haloError: null }
        : await measureHalo(session, { ...about, receptiveField, leastSide: leastSide(tf, model, about.sizeMultiple) })

    const named = { ...graph, metadata: metadataOf(about, tiling.halo) }
    const canonical = graphFile('model.onnx', named)
    const uint8 = graphFile('model.uint8.onnx', toUint8Nhwc(named))
    say('comparing the uint8 variant')
    const size = fixedSize ?? { width: 35 * about.sizeMultiple, height: 29 * about.sizeMultiple }
    const maxDifference = await differenceOfBytes(session, uint8.bytes, size)
    const shrunk = (await shrink(named, session, { ...about, fixedSize, compared: size }, options, say)).map(({ graph, ...judged }) => ({
      ...graphFile(`model.${judged.precision}.onnx`, graph),
      judged,
    }))

    const card: Measured = {
      model: canonical.entry,
      fixedSize,
      ...tiling,
      variants: {
        uint8: { ...uint8.entry, maxDifference },
        ...Object.fromEntries(shrunk.map(({ entry, judged }) => [judged.precision, { ...entry, ...judged }])),
      },
      passes: applied,
      parity,
    }
    return { card, bytes: Object.fromEntries([canonical, uint8, ...shrunk].map(({ entry, bytes }) => [entry.file, bytes])) }
  } finally {
    await session.close()
  }
}

function refuseRange({ range, run }: ExportOptions): void {
  if (range === undefined) return
  const expected = 'the folder of a tfjs layers model'
  const message = `--range: expected ${expected}, but ${run} says that its pictures are 0..1`
  throw new UprezError('invalid-option', message, { param: 'range', expected, got: run })
}

function refuseOtherThanRgb(graph: Graph): void {
  const [from, to] = [graph.inputs[0]!.dims[1], graph.outputs[0]!.dims[1]]
  if (from === 3 && to === 3) return
  const message = `expected a network from 3 channels (RGB) to 3, got one from ${from} to ${to}`
  throw new UprezError('unsupported-layer', message, { param: graph.name, expected: '3 channels to 3', got: `${from} to ${to}` })
}

/** More than a rare tie apart is an error in the variant. */
async function differenceOfBytes(canonical: Session, bytes: Uint8Array, size: { width: number; height: number }): Promise<number> {
  const variant = await openSession(bytes)
  try {
    const difference = await compareBytes(canonical, variant, size)
    if (difference <= 1) return difference
    const message = `the uint8 variant differs from the canonical file by ${difference} steps of 255`
    throw new UprezError('parity-failed', message, { param: 'model.uint8.onnx', expected: 'at most 1', got: String(difference) })
  } finally {
    await variant.close()
  }
}

/** Only what never changes: the card holds the rest. */
function metadataOf(about: About & { id: string }, halo: number | null): Record<string, string> {
  return { id: about.id, task: 'upscale', scale: String(about.scale), range: '0..1', halo: String(halo) }
}

function graphFile(file: string, graph: Graph): { bytes: Uint8Array; entry: GraphFile } {
  const bytes = serialize(graph)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const port = (value: Graph['inputs'][number]): GraphFile['input'] => {
    const common = { name: value.name, channels: 3, order: 'RGB' } as const
    return value.type === 'uint8'
      ? { ...common, layout: 'NHWC', type: 'uint8', range: [0, 255] }
      : { ...common, layout: 'NCHW', type: 'float32', range: [0, 1] }
  }
  return { bytes, entry: { file, sha256, bytes: bytes.length, input: port(graph.inputs[0]!), output: port(graph.outputs[0]!) } }
}

function fixedSizeOf(graph: Graph): { width: number; height: number } | null {
  const [, , height, width] = graph.inputs[0]!.dims
  return typeof height === 'number' && typeof width === 'number' ? { width, height } : null
}

/**
 * Before any work: may this folder be written, has the model a proper name, and are the passes to leave out passes?
 * @throws UprezError `output-exists`, `invalid-option`
 */
export async function checkOutput(options: OutputOptions): Promise<{ dir: string; id: string }> {
  checkShrink(options)
  const dir = resolve(options.output)
  const id = checkedId(options.id ?? basename(dir))
  checkPasses(options.without ?? [])
  await refuseForeignFolder(dir)
  return { dir, id }
}

function checkedId(id: string): string {
  if (/^[a-z0-9][a-z0-9._-]{0,63}$/.test(id)) return id
  const expected = 'lower-case letters, digits, ".", "_" or "-"'
  throw new UprezError('invalid-option', `expected ${expected} for id, got "${id}"; give another with --id`, {
    param: 'id',
    expected,
    got: id,
  })
}

/** A folder of ours may be replaced, an empty one be filled; anything else there is somebody's. */
async function refuseForeignFolder(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return []
    const expected = 'a model folder or a free name'
    throw new UprezError('output-exists', `${dir}: expected ${expected}`, {
      param: 'output',
      expected,
      got: error.code ?? '',
      cause: error,
    })
  })
  if (names.length === 0 || names.includes('card.json')) return
  const message = `${dir} holds something other than a model; nothing was written`
  throw new UprezError('output-exists', message, { param: 'output', expected: 'a model folder or a free name', got: dir })
}
