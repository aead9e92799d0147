import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { UprezError } from '../errors.js'
import type { Finding } from '../models/card.js'
import { findModel } from '../models/catalog.js'
import { type Analysis, analyse } from './analysis.js'
import { type CardCheck, compareWithCard } from './card-check.js'
import type { Arrangement, Size } from './layout.js'
import { isOnnxFile } from './model-folder.js'
import { type FileOptions, modelOfFile } from './model-of-file.js'
import { type OnnxFile, type OnnxValue, readOnnx } from './onnx-file.js'
import { countParameters, weightTypes } from './parameters.js'

/** What `uprez inspect --json` prints: all that a file says, and what follows from it. */
export interface Inspection {
  file: string
  bytes: number
  sha256: string
  producer: string
  irVersion: number
  /** By domain; "" is ONNX' own. */
  opsets: Record<string, number>
  inputs: OnnxValue[]
  outputs: OnnxValue[]
  /** By operator, the most frequent first; those of other domains with their domain. */
  ops: Record<string, number>
  parameters: number
  /** Elements of constants that numbers are computed with, by type. */
  weights: Record<string, number>
  /** Files that hold weights of this one. */
  external: string[]
  metadata: Record<string, string>
  /** The following are null where the file is no upscaler, or cannot be followed: `notFollowed` says why. */
  scale: number | null
  input: Arrangement | null
  output: Arrangement | null
  fixedSize: Size | null
  sizeMultiple: number | null
  /** A multiply-add counts as two. */
  flopsPerPixel: number | null
  flopsByOp: Record<string, number> | null
  /** In input pixels; null also where it is the whole picture. */
  receptiveField: number | null
  receptiveFieldFrom: Finding['how'] | null
  notFollowed: string | null
  /** The card that lies beside it and names it. */
  card: { file: string; agrees: boolean; checks: CardCheck[] } | null
}

/**
 * @param target an `.onnx` file, or a model by its id or its folder: then its canonical file
 * @throws UprezError `no-input`, `invalid-onnx`, `unknown-model`, `invalid-card`
 */
export async function inspect(target: string, options: FileOptions = {}): Promise<Inspection> {
  const file = isOnnxFile(target) ? target : await canonicalFile(target)
  const bytes = await readFile(file).catch(cause => {
    throw new UprezError('no-input', `${file}: cannot be read`, { param: 'file', expected: 'an ONNX file', got: file, cause })
  })
  const onnx = readOnnx(bytes, file)
  const analysis = await analyse(onnx)
  const followed = 'reason' in analysis ? undefined : analysis
  const inspection: Omit<Inspection, 'card'> = {
    file,
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    producer: onnx.producer,
    irVersion: onnx.irVersion,
    opsets: onnx.opsets,
    inputs: onnx.inputs,
    outputs: onnx.outputs,
    ops: opsOf(onnx),
    parameters: countParameters(onnx),
    weights: weightTypes(onnx),
    external: [...new Set([...onnx.initializers.values()].flatMap(({ external }) => external ?? []))],
    metadata: onnx.metadata,
    scale: followed?.scale ?? null,
    input: followed?.input ?? null,
    output: followed?.output ?? null,
    fixedSize: followed?.fixedSize ?? null,
    sizeMultiple: followed?.sizeMultiple ?? null,
    flopsPerPixel: followed?.flopsPerPixel ?? null,
    flopsByOp: followed ? Object.fromEntries(followed.flops) : null,
    ...(await receptiveFieldOf(followed, file, options)),
    notFollowed: 'reason' in analysis ? analysis.reason : null,
  }
  return { ...inspection, card: await besideCard(inspection) }
}

async function canonicalFile(target: string): Promise<string> {
  const { card, folder } = await findModel(target)
  return join(folder, card.model.file)
}

/** Where the graph does not tell, the network is asked. */
async function receptiveFieldOf(
  followed: Analysis | undefined,
  file: string,
  options: FileOptions,
): Promise<Pick<Inspection, 'receptiveField' | 'receptiveFieldFrom'>> {
  if (followed) return { receptiveField: followed.receptiveField, receptiveFieldFrom: 'derived' }
  const measured = await modelOfFile(file, options).catch(() => undefined)
  if (!measured) return { receptiveField: null, receptiveFieldFrom: null }
  return { receptiveField: measured.card.receptiveField, receptiveFieldFrom: 'measured' }
}

async function besideCard(inspection: Omit<Inspection, 'card'>): Promise<Inspection['card']> {
  const { file } = inspection
  const model = await findModel(resolve(dirname(file), 'card.json')).catch((error: UprezError) => {
    if (error.code === 'unknown-model') return undefined
    throw error
  })
  const graph = model && [model.card.model, ...Object.values(model.card.variants)].find(graph => graph.file === basename(file))
  if (!graph) return null
  const checks = compareWithCard(inspection, model.card, graph)
  return { file: join(model.folder, 'card.json'), agrees: checks.every(({ agrees }) => agrees !== false), checks }
}

function opsOf({ nodes }: OnnxFile): Record<string, number> {
  const counts = new Map<string, number>()
  for (const { op, domain } of nodes) {
    const name = domain === '' ? op : `${domain}.${op}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)))
}
